#!/usr/bin/env python3
"""No circle of files: a file can be read, and tested, without those that use it.

A file is a stem in proxy/, its .c and its .h. It uses another one where its object file asks for a
function that the other one defines. So shared headers do not matter, and a call through a table of
functions (a protocol, a wire) does not count. The objects are those of a build: check_circles.py BUILD
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALLOWED = [
    {"resolve", "resolver"},  # c-ares calls back, also from within the call that asks it
]


def symbols(build, source):
    """The functions that it defines, and the names that it asks for."""
    found = list(build.glob(f"CMakeFiles/*.dir/{source.relative_to(ROOT)}.o"))
    if not found:
        sys.exit(f"{source.relative_to(ROOT)} has no object in {build}: build first")
    newest = max(found, key=lambda path: path.stat().st_mtime)
    out = subprocess.run(["nm", "--format=posix", newest], check=True, capture_output=True, text=True).stdout
    kinds = [line.split()[:2] for line in out.splitlines()]
    return {name for name, kind in kinds if kind == "T"}, {name for name, kind in kinds if kind == "U"}


def uses(build):
    """Of each stem: {another stem: one of its functions that is used}."""
    home, wanted = {}, {}
    for source in sorted((ROOT / "proxy").rglob("*.c")):
        defines, asks = symbols(build, source)
        home.update(dict.fromkeys(defines, source.stem))
        wanted[source.stem] = asks
    return {stem: {home[name]: name for name in sorted(asks) if home.get(name, stem) != stem}
            for stem, asks in wanted.items()}


def reachable(graph, stem):
    seen, to_do = set(), [stem]
    while to_do:
        new = set(graph[to_do.pop()]) - seen
        seen |= new
        to_do += new
    return seen


def circles(graph):
    """Sets of stems each of which leads to each other one."""
    ways = {stem: reachable(graph, stem) for stem in graph}
    return {frozenset(other for other in ways[stem] if stem in ways[other])
            for stem in graph if stem in ways[stem]}


def main():
    graph = uses(pathlib.Path(sys.argv[1]).resolve())
    found = circles(graph)
    problems = [circle for circle in found if circle not in ALLOWED]
    for circle in problems:
        print(f"a circle of {len(circle)} files:")
        for stem in sorted(circle):
            used = ", ".join(f"{other} ({name})" for other, name in graph[stem].items() if other in circle)
            print(f"  {stem} uses {used}")
    print(f"{len(graph)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
