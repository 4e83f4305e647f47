"""Which lines the program can write to its log, read from its sources: each event with its levels and
its fields. Other lints and tests import this; as a program it prints what it finds.

It follows calls as far as lines go. A function that is handed an event is a way to open a line, one
that is handed a key is a way to write a field, and one that is handed a line adds its fields to it.
"""
import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
OPENS = {"log_open": (2, 1), "log_message": (1, 0)}  # places of the event and of its level
WRITES = {"log_text": 1, "log_number": 1}  # place of the key
KEYWORDS = {"if", "while", "for", "switch", "return", "sizeof"}


def plain(text):
    """A source without comments and characters, which could hold a quote or a parenthesis."""
    return re.sub(r'"(?:[^"\\\n]|\\.)*"|/\*.*?\*/|\'(?:[^\'\\]|\\.)+\'',
                  lambda match: match[0] if match[0].startswith('"') else " 0 ", text, flags=re.S)


def strings_in(text):
    """The literals of a piece of C; those that stand side by side are one."""
    return ["".join(STRING.findall(run)) for run in
            re.findall(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*', text)]


def arguments_at(text, start):
    """The arguments of a call; `start` is behind its parenthesis."""
    found, depth, current, i = [], 0, start, start
    while i < len(text):
        if match := STRING.match(text, i):
            i = match.end()
            continue
        if text[i] in "([{":
            depth += 1
        elif text[i] in ")]}" and depth == 0:
            return found + [text[current:i].strip()]
        elif text[i] in ")]}":
            depth -= 1
        elif text[i] == "," and depth == 0:
            found.append(text[current:i].strip())
            current = i + 1
        i += 1
    raise ValueError(f"no end of the call in {text[start:start + 60]!r}")


class Function:
    def __init__(self, file, name, parameters, body, is_static):
        self.file, self.name, self.body, self.is_static = file, name, body, is_static
        self.parameters = [re.findall(r"\w+", one)[-1] for one in parameters if re.search(r"\w", one)]
        self.line = next((self.parameters[n] for n, one in enumerate(parameters)
                          if "struct log_line *" in one), None)  # its name for the line that it is handed
        self.calls = [(match[1], arguments_at(body, match.end()))
                      for match in re.finditer(r"\b(\w+)\(", body) if match[1] not in KEYWORDS]


def functions_of(path):
    text = re.sub(r"^#(?:.*\\\n)*.*$", "", plain(path.read_text()), flags=re.M)
    for match in re.finditer(r"^(?!\s)([^\n;={}]*?)\b(\w+)\(([^;{}]*)\)\n\{\n(.*?)^\}", text, re.M | re.S):
        yield Function(path, match[2], match[3].split(","), match[4], match[1].startswith("static"))


class Program:
    """events: each event, with a set of its levels and a set of its fields. problems: what was not
    understood.
    """

    def __init__(self, root=ROOT / "proxy"):
        self.events = defaultdict(lambda: (set(), set()))
        self.problems = []
        self._texts = {path: plain(path.read_text()) for path in sorted(root.rglob("*.c"))}
        self._functions = [function for path in self._texts for function in functions_of(path)
                           if function.name not in {*OPENS, *WRITES}]
        self._named = defaultdict(list)
        for function in self._functions:
            self._named[function.name].append(function)
        self._opens, self._writes = {}, {}  # functions of ours that are handed an event, or a key
        self._added = {}
        self._find_helpers()
        for function in self._functions:
            self._follow(function)

    def _called(self, function, name):
        """The function of ours that a call in this one means, or None."""
        same = self._named[name]
        here = [other for other in same if other.file == function.file]
        return next(iter(here + [other for other in same if not other.is_static]), None)

    def _way_to_open(self, function, name):
        return OPENS.get(name) or self._opens.get(self._called(function, name))

    def _way_to_write(self, function, name):
        return WRITES.get(name) or self._writes.get(self._called(function, name))

    def _find_helpers(self):
        before = -1
        while before != len(self._opens) + len(self._writes):
            before = len(self._opens) + len(self._writes)
            for function in self._functions:
                for name, arguments in function.calls:
                    self._note_helper(function, name, arguments)

    def _note_helper(self, function, name, arguments):
        at = function.parameters.index
        if (way := self._way_to_open(function, name)) and arguments[way[0]] in function.parameters:
            level = arguments[way[1]] if way[1] is not None else None
            self._opens[function] = (at(arguments[way[0]]),
                                     at(level) if level in function.parameters else None)
        key = self._way_to_write(function, name)
        if key and arguments[key] in function.parameters:
            self._writes[function] = at(arguments[key])

    def _literals(self, function, expression):
        """What an expression stands for: its literals, those of a table, or what a call returns."""
        if not (found := strings_in(expression)):
            name = re.match(r"\w*", expression)[0]
            if other := self._called(function, name):
                returned = " ".join(re.findall(r"\breturn\b(.*?);", other.body, re.S)).strip()
                return self._literals(other, returned) if returned else set()
            table = re.search(rf"\b{name}\[\w*\] = \{{(.*?)\}};",
                              function.body + self._texts[function.file], re.S)
            found = strings_in(table[1]) if name and table else []
        return set(found)

    def _named_by(self, function, what, expression):
        """The same, of an event or a key; nothing if the function was handed it."""
        if expression in function.parameters:
            return set()
        if not (found := self._literals(function, expression) - {"none"}):
            self.problems.append(f"{function.file.name}, {function.name}: which {what} is {expression}?")
        return found

    def _levels_of(self, function, name, arguments):
        """LOG_X in the call, or in the helper that the call goes through."""
        way = self._way_to_open(function, name)
        if way[1] is not None:
            return {level.lower() for level in re.findall(r"LOG_(\w+)", arguments[way[1]])}
        helper = self._called(function, name)
        return {level for deeper, given in helper.calls if self._way_to_open(helper, deeper)
                for level in self._levels_of(helper, deeper, given)}

    def _left_open_by(self, function):
        """The events of the line that a function is handed, opens, and leaves to its caller."""
        return {event for name, arguments in function.calls
                if (way := self._way_to_open(function, name)) and arguments[0] == function.line
                for event in self._named_by(function, "event", arguments[way[0]])}

    def _follow(self, function):
        """Walks through a function; returns the fields that it adds to the line that it is handed."""
        if function not in self._added:
            self._added[function] = set()  # for a function that calls itself
            self._added[function] = self._walk(function)
        return self._added[function]

    def _walk(self, function):
        added, current = set(), set()  # current: the events of the line that is open
        for name, arguments in function.calls:
            fields, other = set(), self._called(function, name)
            if way := self._way_to_open(function, name):
                current = self._named_by(function, "event", arguments[way[0]])
                for event in current:
                    self.events[event][0].update(self._levels_of(function, name, arguments))
            if name == "log_message":
                fields.add("message")
            if other and (way or other.line):
                current = current if way else self._left_open_by(other) or current
                fields |= self._follow(other)
            if key := self._way_to_write(function, name):
                fields |= self._named_by(function, "field", arguments[key])
            for taker in [self.events[event][1] for event in current] or [added]:
                taker.update(fields)
        return added


if __name__ == "__main__":
    program = Program()
    for event, (levels, fields) in sorted(program.events.items()):
        print(f"{event:22} {','.join(sorted(levels)):14} {' '.join(sorted(fields))}")
    print(*program.problems, sep="\n")
    sys.exit(bool(program.problems))
