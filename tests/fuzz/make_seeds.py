#!/usr/bin/env python3
"""make_seeds.py TRANSCRIPTS OUT: makes seeds for the targets of grammars and session.

What both sides say in a transcript becomes one input, as dialog_fuzz.c and fuzz_session.c read it.
"""
import re
import sys
from pathlib import Path

ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
INPUT_MAX = 8192
# The listeners of fuzz_session.c.
LISTENERS = {"smtp": {"starttls": "s", "implicit": "t", "none": "x"},
             "lmtp": {"starttls": "l", "implicit": "o", "none": "e"},
             "imap": {"starttls": "m", "implicit": "k", "none": "n"},
             "pop3": {"starttls": "p", "implicit": "q", "none": "z"},
             "managesieve": {"starttls": "v", "implicit": "w", "none": "y"}}


def unescape(text):
    return re.sub(r"\\(x[0-9a-fA-F]{2}|[rnt0\\])",
                  lambda m: chr(int(m[1][1:], 16)) if m[1][0] == "x" else ESCAPES[m[1]], text)


def options_of(header):
    letters = {"implicit": "i", "none": "n", "tls": "b", "verified": "v", "strict": "s", "pass": "p"}
    options = "".join(letters.get(header.get(key, ""), "")
                      for key in ("listener", "backend", "smuggling"))
    options += "r" if "relay_domains" in header else ""
    return options + {"yes": "y", "no": "o"}.get(header.get("require_tls", ""), "")


def read(path):
    """(protocol, header, [(side, text)]) of a transcript."""
    header = {}
    said = []
    for line in path.read_text(encoding="latin-1").split("\n"):
        step = re.match(r"([CS])(?:\*(\d+))?([:.])(?:\*(\d+))? ?(.*)$", line)
        word = re.match(r"(\w+) (\S+)$|(relay_domains) ", line)
        if step:
            side, times, kind, more_times, text = step.groups()
            text = unescape(text) + ("\r\n" if kind == ":" else "")
            said.append((side, text * int(times or more_times or 1)))
        elif line == "TLS":
            said.append(("TLS", ""))
        elif word and not said:
            header[word[1] or word[3]] = word[2]
    return header.get("protocol"), header, said


def turns(said, tls):
    """What the sides say in turn, the server first, with '~' between; `tls` for the handshake."""
    out = ""
    speaker = "S"
    for side, text in said:
        if side == "TLS":
            out += tls
            continue
        if side != speaker:
            out += "~"
            speaker = side
        out += text
    return out


def write(directory, name, text):
    directory.mkdir(parents=True, exist_ok=True)
    if len(text) <= INPUT_MAX:
        (directory / name).write_bytes(text.encode("latin-1"))


def main():
    transcripts, out = map(Path, sys.argv[1:])
    for path in sorted(transcripts.rglob("*.txt")):
        if path.name == "CMakeLists.txt":
            continue
        protocol, header, said = read(path)
        if protocol not in LISTENERS or any("~" in text or "^" in text for _, text in said):
            continue
        write(out / protocol, path.stem, options_of(header) + "\n" + turns(said, ""))
        listener = LISTENERS[protocol][header.get("listener", "starttls")]
        write(out / "session", f"{protocol}-{path.stem}", listener + "\n" + turns(said, "^S"))


main()
