"""docs/conformance.md has a line for every statement of the sections that are needed, in their order,
and what it names is there; tests name no statement that does not exist.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATEMENT = re.compile(r"(C\d+[a-z]?) (must|later) .+")


def statements():
    """By section, in their order: [(number, need)]."""
    sections = {}
    for line in (ROOT / "tests/lib/statements").read_text().splitlines():
        if re.match(r"\d", line):
            sections[line] = current = []
        elif match := STATEMENT.fullmatch(line):
            current.append(match.groups())
    return sections


def documented():
    sections = {}
    for line in (ROOT / "docs/conformance.md").read_text().splitlines():
        if line.startswith("## "):
            sections[line[3:]] = current = []
        elif match := re.match(r"\| (C\d+[a-z]?) \|", line):
            current.append(match[1])
    return sections


def missing_files():
    """Tests and transcripts that the document names and that are not there."""
    text = (ROOT / "docs/conformance.md").read_text()
    for name in re.findall(r"`(test_\w+)`", text):
        if not (ROOT / f"tests/e2e/{name}.py").exists():
            yield f"tests/e2e/{name}.py"
    for name in re.findall(r"`((?:smtp|imap|pop3)/[\w*-]+)`", text):
        if not list((ROOT / "tests/transcripts").glob(f"{name}.txt")):
            yield f"tests/transcripts/{name}.txt"
    for name in re.findall(r"`((?:base|grammar|policy|net|engine|backend|session|setup|daemon|tool)/\w+\.c)`", text):
        if not (ROOT / "proxy" / name).exists():
            yield f"proxy/{name}"


def named_by_tests():
    for file in (ROOT / "tests/e2e").glob("*.py"):
        for mark in re.findall(r"mark\.conformance\(([^)]*)\)", file.read_text()):
            yield from ((file, number) for number in re.findall(r'"(C[^"]*)"', mark))
    for file in (ROOT / "tests/transcripts").glob("*/*.txt"):
        for line in re.findall(r"^conformance (.*)$", file.read_text(), re.M):
            yield from ((file, number) for number in line.split())


def not_shown():
    """Rows that name an end-to-end test which does not name their number."""
    named = {(file.stem, number) for file, number in named_by_tests()}
    for line in (ROOT / "docs/conformance.md").read_text().splitlines():
        if not (match := re.match(r"\| (C\d+[a-z]?) \|.*\|(.*)\|$", line)):
            continue
        for name in re.findall(r"`(test_\w+)`", match[2]):
            if (name, match[1]) not in named:
                yield f"docs/conformance.md: {name} does not name {match[1]}"


def main():
    sections = statements()
    needed = {name: [number for number, need in found if need == "must"]
              for name, found in sections.items()
              if any(need == "must" for _, need in found)}
    known = {number for found in sections.values() for number, _ in found}
    problems = [f"docs/conformance.md names {name}, which is not there" for name in missing_files()]
    problems += not_shown()
    if documented() != needed:
        problems.append(f"docs/conformance.md and tests/lib/statements differ:\n"
                        f"  {documented()}\n  {needed}")
    problems += [f"{file.relative_to(ROOT)}: there is no statement {number}"
                 for file, number in named_by_tests() if number not in known]
    print("\n".join(problems) or "in step")
    return 1 if problems else 0


sys.exit(main())
