#!/usr/bin/env python3
"""Links in the documents lead to files and headings that are there, every page for operators and for
developers is in docs/README.md, and what the first column of a table "Message" quotes is said by the
program. `...` in a message stands for what differs. Settings of mailmux in the second column of a table
"In ... | In mailmux" exist.
"""
import re
import sys
from pathlib import Path

import log_lines

ROOT = log_lines.ROOT
DOCUMENTS = [path for path in sorted(ROOT.rglob("*.md")) if "build" not in path.relative_to(ROOT).parts]
LEAST = 12  # octets that one part of a message must have at least, so that it proves something


def anchors(path):
    """The anchors of a document's headings, as GitHub and cgit make them."""
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", path.read_text(), re.M)}


def wrong_links(path):
    for link in re.findall(r"\]\(([^()\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name) if name else path
        if not target.exists():
            yield f"there is no {link}"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield f"{name or path.name} has no heading #{anchor}"


def not_in_index():
    index = (ROOT / "docs/README.md").read_text()
    for path in DOCUMENTS:
        name = path.relative_to(ROOT / "docs").as_posix() if ROOT / "docs" in path.parents else ""
        if re.fullmatch(r"(operator|developer)/[^/]+", name) and f"]({name})" not in index:
            yield f"docs/README.md does not name {name}"


def said():
    """All that the program can say: its literals."""
    for path in [*(ROOT / "proxy").rglob("*.c"), *(ROOT / "include").rglob("*.h")]:
        for text in log_lines.strings_in(log_lines.plain(path.read_text())):
            yield text.replace('\\"', '"').replace("\\n", "")


def messages(path):
    """What the tables with a first column "Message" quote. Behind "with" stand words of the system."""
    is_theirs = False
    for line in path.read_text().splitlines():
        if not line.startswith("|"):
            is_theirs = False
        elif line.startswith("| Message |"):
            is_theirs = True
        elif is_theirs:
            yield from re.findall(r"(?<!with )`([^`]+)`", line[1:].split(" | ")[0])


def unsaid(path, program):
    for message in messages(path):
        parts = message.split("...")
        if max(map(len, parts)) < LEAST:
            yield f"too little to look for: {message}"
        elif not re.search(".*".join(map(re.escape, parts)), program):
            yield f"the program does not say {message!r}"


def unknown_settings(path):
    known = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/operator/reference.md").read_text(), re.M))
    rows = re.findall(r"^\| In .* \| In mailmux \|.*\n((?:\|.*\n)+)", path.read_text(), re.M)
    for row in "".join(rows).splitlines():
        for key in re.findall(r"`(\w+) = ", row.split("|")[2]):
            if key not in known:
                yield f"mailmux has no setting {key}"


def main():
    program = "\n".join(said())
    problems = [f"{path.relative_to(ROOT)}: {wrong}" for path in DOCUMENTS
                for wrong in [*wrong_links(path), *unsaid(path, program), *unknown_settings(path)]]
    problems += not_in_index()
    print(*problems or [f"{len(DOCUMENTS)} documents are right"], sep="\n")
    return 1 if problems else 0


sys.exit(main())
