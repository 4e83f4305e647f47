#!/usr/bin/env python3
"""logs.md in docs/operator has each event that the program can log, with its levels and its fields, each
field, each reason for the end of a session with the side that ended it, and each failure of a try;
and nothing that the program does not log. The events of SIGUSR1 and of level debug may stand in
debugging.md instead. Each row says what it means, and those of logs.md what to do.
"""
import re
import sys
from pathlib import Path

import log_lines

ROOT = log_lines.ROOT
LOGS = ROOT / "docs/operator/logs.md"
STEPS = ROOT / "docs/operator/debugging.md"
# Part of logs.md: the table in a source, and the columns that it gives.
TABLES = {
    "Why a session ended": ("include/mailmux/reason.h", r'X\((?!NONE,)\w+, "([\w-]+)", (\w+), \w+\)'),
    "Why a login failed": ("proxy/grammar/news.c",
                           r'case LOGIN_(?!NONE|ACCEPTED)\w+:\s+return "([\w-]+)"()'),
    "What was refused": ("include/mailmux/news.h", r'X\((?!NONE,)\w+, "([\w-]+)"()'),
    "Why a try failed": ("proxy/grammar/opening_failure.c", r'\[OPENING_(?!FINE)\w+\] = \{\.text = "([^"]+)"()'),
}


def words(cell):
    """The names in a cell; it may have several."""
    return re.findall(r"`([^`]+)`", cell)


def parts(path):
    """Each part of a document by its heading, with the rows of its tables."""
    found = {}
    for line in path.read_text().splitlines():
        if line.startswith("## "):
            found[line[3:]] = rows = []
        elif line.startswith("| ") and found:
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def differences(what, documented, known):
    for name in sorted(set(known) - set(documented)):
        yield f"{what} {name} is not in logs.md"
    for name in sorted(set(documented) - set(known)):
        yield f"{what} {name} is in logs.md, and not in the program"
    for name in sorted({name for name in documented if documented.count(name) > 1}):
        yield f"{what} {name} stands twice"


def steps():
    """The events of debugging.md, each with all that its rows name."""
    found, event = {}, None
    for rows in parts(STEPS).values():
        for row in rows:
            event = (words(row[0]) or [event])[0]
            if event and re.fullmatch(r"[a-z][a-z-]+", event):
                found.setdefault(event, set()).update(re.findall(r"`([a-z_]+)", " ".join(row[1:])))
    return found


def wrong_in_row(row, events):
    """A row of events: the events, their levels, their fields, what it says, what to do."""
    names, levels, fields = words(row[0]), set(row[1].split(", ")), set(words(row[2]))
    known = [events[name] for name in names if name in events]
    if len(row) != 5 or not all(row):
        yield f"{row[0]}: a row has five cells, and none is empty"
    if known and levels != set().union(*(found for found, _ in known)):
        yield f"{row[0]}: its levels are {', '.join(sorted(set().union(*(found for found, _ in known))))}"
    if known:
        yield from (f"{row[0]}: {wrong}" for wrong in
                    differences("the field", sorted(fields), set().union(*(found for _, found in known))))


def wrong_in_events(document, program):
    rows = [row for name, rows in document.items() if name.startswith("Events") for row in rows
            if words(row[0])]
    named = [name for row in rows for name in words(row[0])]
    elsewhere = steps()
    for event in sorted(set(elsewhere) - set(program.events)):
        yield f"the event {event} is in debugging.md, and not in the program"
    for event in sorted(set(elsewhere) & set(program.events)):
        for field in sorted(program.events[event][1] - elsewhere[event]):
            yield f"the field {field} of {event} is not in debugging.md"
    yield from differences("the event", named, set(program.events) - set(elsewhere))
    for row in rows:
        yield from wrong_in_row(row, program.events)
    fields = set().union(*(fields for event, (_, fields) in program.events.items() if event in named))
    yield from differences("the field", [name for row in document["Fields"] for name in words(row[0])],
                           fields)


def wrong_in_tables(document):
    for part, (file, pattern) in TABLES.items():
        known = dict(re.findall(pattern, (ROOT / file).read_text()))
        rows = [row for row in document[part] if words(row[0])]
        yield from differences(f"{part}:", [name for row in rows for name in words(row[0])], known)
        for row in rows:
            if not all(row):
                yield f"{row[0]}: a cell is empty"
            for name in words(row[0]):
                if known.get(name) and row[1] != known[name].lower():
                    yield f"{name}: it is ended by the {known[name].lower()}"


def main():
    program = log_lines.Program()
    document = parts(LOGS)
    problems = program.problems + list(wrong_in_events(document, program)) + list(wrong_in_tables(document))
    print(*problems or [f"logs.md has all {len(program.events)} events"], sep="\n")
    return 1 if problems else 0


sys.exit(main())
