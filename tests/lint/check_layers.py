#!/usr/bin/env python3
"""Floors point downward only (docs/developer/architecture.md), and the pure ones see neither libuv nor
OpenSSL.

A folder below proxy/ is a layer. A header below include/mailmux belongs to the layer that has a
source of the same name; every other header belongs to the folder in which it stands.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# From the ground up. What shares a floor is siblings, and siblings do not include each other.
FLOORS = [
    {"base"},
    {"grammar", "policy", "net", "system"},
    {"engine", "keeper"},
    {"backend"},
    {"session"},
    {"setup"},
    {"daemon", "tool"},
]
MAY_USE = {layer: set().union(*FLOORS[:n]) for n, floor in enumerate(FLOORS) for layer in floor}
MAY_USE["keeper"] = {"base", "policy", "system"}  # the privileged process: no network, no TLS
MAY_USE["engine"] = {"base", "net"}  # the ground knows neither mail nor settings
MAY_USE["proxy"] = {"base", "keeper", "daemon", "tool"}  # main.c
PURE = {"base", "grammar", "policy"}
NOT_PURE = re.compile(r"^(uv\.h|openssl/.*|ares\.h|sys/socket\.h|sys/epoll\.h|poll\.h)$")
# An address is a value that carries a sockaddr; nothing is opened or sent with it there. Standard
# error, where the log goes, may be a socket.
MAY_SEE_SOCKETS = {"include/mailmux/address.h", "proxy/base/log_sink.c"}
# The grammar has no heap, no clock and no input or output either.
NOT_GRAMMAR = re.compile(r"\b(malloc|calloc|realloc|free|fopen|read|write|recv|send|time|clock_gettime)\s*\(")
SEES_INIH = "proxy/policy/config_reader.c"
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.M)


def layer_of_public_headers():
    owners = {}
    for layer in MAY_USE:
        for source in (ROOT / "proxy" / layer).glob("*.c"):
            owners.setdefault(source.stem, layer)
    # Contracts whose implementation is spread over several files of one prefix.
    owners.setdefault("protocols", "grammar")
    owners.setdefault("config", "policy")
    owners.setdefault("directives", "policy")
    # Plain values, which have no source.
    owners.setdefault("settings", "base")
    owners.setdefault("routing_rule", "base")
    return owners


def main():
    owners = layer_of_public_headers()
    private = {p.name: p.parent.name for layer in MAY_USE for p in (ROOT / "proxy" / layer).glob("*.h")}
    problems = []
    files = sorted((ROOT / "proxy").rglob("*.[ch]")) + sorted((ROOT / "include").rglob("*.h"))
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        public = name.startswith("include/")
        layer = owners.get(path.stem) if public else path.parent.name
        if layer is None:
            problems.append(f"{name}: no layer has a {path.stem}.c, so whose contract is it?")
            continue
        for include in INCLUDE.findall(text):
            if (layer in PURE or public) and NOT_PURE.match(include) and name not in MAY_SEE_SOCKETS:
                problems.append(f"{name}: {layer} is pure and must not include {include}")
            if include == "ini.h" and name != SEES_INIH:
                problems.append(f"{name}: only {SEES_INIH} sees inih")
            stem = pathlib.PurePosixPath(include).stem
            if include.startswith("mailmux/"):
                target = owners.get(stem)
            else:
                target = private.get(include)
            if target and target != layer and target not in MAY_USE[layer]:
                problems.append(f"{name}: {layer} must not include {include} of {target}")
        if layer == "grammar" and NOT_GRAMMAR.search(re.sub(r"/\*.*?\*/|\"(\\.|[^\"\\])*\"", "", text, flags=re.S)):
            problems.append(f"{name}: the grammar has no heap, no clock, no input or output")
        if not name.isascii() or any(ord(c) > 126 for c in path.name):
            problems.append(f"{name}: the file's name is not plain ASCII")
    for problem in problems:
        print(problem)
    print(f"{len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
