"""Instructions, by function, from what callgrind leaves behind.

Debian's libcrypto has names for what it exports alone. So what it and libc do is shown by the
function through which they were entered, with all that it called; mailmux, libssl and libuv by
what each function does itself. The sum is the whole.
"""

import re
from collections import Counter
from pathlib import Path

NAME = re.compile(r"^(\w+)=\((\d+)\)(?: (.*))?$")
ADDRESS = re.compile(r"^0x[0-9a-f]+$")
BY_FUNCTION = ("mailmux", "libssl", "libuv")
START_AND_END = ("__libc_start_main", "exit")
BACK = "back into mailmux and libssl, counted there"


def library(path):
    """`???` is what lies between libssl and the others: the tables of the linker."""
    return "libssl" if path == "???" else Path(path).name.split(".so")[0]


def shown(name, thing):
    """A function of ours by its name; one of a library with that, which may be all that is known."""
    name = re.sub(r"'\d+$", "", name).split("@@")[0]
    if thing.startswith("mailmux"):
        return name
    return f"{thing}: {'without a name' if ADDRESS.match(name) else name}"


class Reader:
    """The file line by line: where it is, and what has been found."""

    def __init__(self):
        self.names = {}
        self.found = Counter()
        self.thing = self.callee_thing = self.function = self.callee = "?"
        self.is_call = False

    def name(self, kind, number, name):
        """A name stands in full where it is used first."""
        space = "fn" if kind in ("fn", "cfn") else "ob" if kind in ("ob", "cob") else "file"
        if name is not None:
            self.names[space, number] = name
        name = self.names[space, number]
        if kind == "ob":
            self.thing = self.callee_thing = library(name)
        elif kind == "cob":
            self.callee_thing = library(name)
        elif kind == "fn":
            self.function, self.callee_thing = name, self.thing
        elif kind == "cfn":
            self.callee = name

    def cost(self, count):
        """Of a function itself, or of a call with all that it called in turn."""
        is_ours = self.thing.startswith(BY_FUNCTION)
        if not self.is_call:
            if is_ours:
                self.found[shown(self.function, self.thing)] += count
            return
        calls_ours = self.callee_thing.startswith(BY_FUNCTION)
        if is_ours and not calls_ours and not self.callee.startswith(START_AND_END):
            self.found[shown(self.callee, self.callee_thing)] += count
        elif calls_ours and self.thing.startswith("libcrypto"):
            self.found[BACK] -= count
        self.is_call, self.callee_thing = False, self.thing


def read(path):
    """(all instructions, those of each function)."""
    reader, total = Reader(), 0
    with Path(path).open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            first = line[:1]
            if first.isdigit() or first in "+-*":
                count = int(line.split()[1])
                total += 0 if reader.is_call else count
                reader.cost(count)
            elif line.startswith("calls="):
                reader.is_call = True
            elif match := NAME.match(line.rstrip("\n")):
                reader.name(*match.groups())
    return total, reader.found
