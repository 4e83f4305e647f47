#!/usr/bin/env python3
"""No function over 60 lines, no source file over 500: what is longer has two subjects."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUNCTION_MAX = 60
FILE_MAX = 500
# In this style a function's braces are the only ones at the start of a line, but for types and tables.
OPEN = re.compile(r"^\{$")
CLOSE = re.compile(r"^\}$")


def functions(lines):
    """(name, length in lines) of every function, its signature included."""
    start = None
    for number, line in enumerate(lines):
        if OPEN.match(line):
            start = number
        elif CLOSE.match(line) and start is not None:
            head = start - 1
            while head > 0 and lines[head - 1] and not lines[head - 1].startswith(("}", "#", " */", "/*")):
                head -= 1
            match = re.search(r"(\w+)\s*\(", " ".join(lines[head:start]))
            yield (match.group(1) if match else "?", number - head + 1)
            start = None


def main():
    problems = []
    largest_file = ("", 0)
    largest_function = ("", 0)
    for path in sorted((ROOT / "proxy").rglob("*.[ch]")) + sorted((ROOT / "include").rglob("*.h")):
        name = path.relative_to(ROOT).as_posix()
        lines = path.read_text(encoding="utf-8").splitlines()
        largest_file = max(largest_file, (name, len(lines)), key=lambda item: item[1])
        if len(lines) > FILE_MAX:
            problems.append(f"{name}: {len(lines)} lines")
        for function, length in functions(lines):
            largest_function = max(largest_function, (f"{name}: {function}", length), key=lambda item: item[1])
            if length > FUNCTION_MAX:
                problems.append(f"{name}: {function} has {length} lines")
    for problem in problems:
        print(problem)
    print(f"largest file: {largest_file[0]}, {largest_file[1]} lines")
    print(f"largest function: {largest_function[0]}, {largest_function[1]} lines")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
