"""conformance.md in docs/developer has a line for every statement of the sections that are needed, in
their order, and what it names is there; tests name no statement that does not exist. threats.md defines
every attack and rule that code and tests quote, and the statements, files and tests in it exist. What
the documents name in the code is there, and in the file that they name.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ROOT / "docs/developer"
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
    for line in (DOCUMENTS / "conformance.md").read_text().splitlines():
        if line.startswith("## "):
            sections[line[3:]] = current = []
        elif match := re.match(r"\| (C\d+[a-z]?) \|", line):
            current.append(match[1])
    return sections


def missing_files():
    """Tests and transcripts that the document names and that are not there."""
    text = (DOCUMENTS / "conformance.md").read_text()
    for name in re.findall(r"`(test_\w+)`", text):
        if not (ROOT / f"tests/e2e/{name}.py").exists():
            yield f"tests/e2e/{name}.py"
    for name in re.findall(r"`((?:smtp|lmtp|imap|pop3|managesieve)/[\w*-]+)`", text):
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
    for line in (DOCUMENTS / "conformance.md").read_text().splitlines():
        if not (match := re.match(r"\| (C\d+[a-z]?) \|.*\|(.*)\|$", line)):
            continue
        for name in re.findall(r"`(test_\w+)`", match[2]):
            if (name, match[1]) not in named:
                yield f"conformance.md: {name} does not name {match[1]}"


def sources():
    """Every file in which an attack or a rule may be quoted, with its text."""
    for folder in ("proxy", "include", "tests"):
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in (".c", ".h", ".py", ".txt") and "corpus" not in file.parts:
                yield file, file.read_text()


def attacks_in(text):
    """The numbers that a text quotes; "A5 to A8" is four of them, and test_a05_... is one."""
    for first, last in re.findall(r"\bA([1-9]\d*)(?: to A([1-9]\d*))?\b", text):
        yield from range(int(first), int(last or first) + 1)
    yield from map(int, re.findall(r"\bdef test_a(\d+)_", text))


def source_of(name):
    """The file of a test or transcript in threats.md."""
    if name.startswith("test_"):
        return ROOT / f"tests/e2e/{name}.py"
    if name.startswith("unit/"):
        return ROOT / f"tests/{name}.c"
    return ROOT / f"tests/transcripts/{name}.txt"


def wrong_in_row(row, known, files):
    number, _, _, statements_named, where, shown_by = row
    for statement in re.findall(r"C\d+[a-z]?", statements_named):
        if statement not in known:
            yield f"there is no statement {statement}"
    for name in re.findall(r"`(\w+\.c)`", where):
        if name not in files:
            yield f"there is no {name} below proxy/"
    tests = [source_of(name) for name in re.findall(r"`([\w/-]+)`", shown_by)]
    yield from (f"there is no {test.relative_to(ROOT)}" for test in tests if not test.exists())
    if number and not any(int(number[1:]) in attacks_in(test.read_text())
                          for test in tests if test.exists()):
        yield f"no test of its row quotes {number}"


def wrong_in_threats(known):
    text = (DOCUMENTS / "threats.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines() if re.match(r"\| (A\d+ )?\| ", line)]
    files = {file.name for file in (ROOT / "proxy").rglob("*.c")}
    numbers = [int(row[0][1:]) for row in rows if row[0]]
    rules = set(re.findall(r"^\*\*Rule ([A-Z]):", text, re.M))
    for row in rows:
        if len(row) != 6:
            yield f"{row[0]} {row[1]}: a row has six cells"
        else:
            yield from (f"{row[0]} {row[1]}: {wrong}" for wrong in wrong_in_row(row, known, files))
    yield from (f"A{number} is defined twice" for number in sorted(set(numbers))
                if numbers.count(number) > 1)
    for file, source in sources():
        for number in sorted(set(attacks_in(source)) - set(numbers)):
            yield f"A{number}, which {file.relative_to(ROOT)} quotes, is not defined"
        for rule in sorted(set(re.findall(r"\brule ([A-Z])\b", source)) - rules):
            yield f"rule {rule}, which {file.relative_to(ROOT)} quotes, is not defined"


def code():
    """Each file of ours in C, with the words in it."""
    return {file.relative_to(ROOT).as_posix(): set(re.findall(r"\w+", file.read_text()))
            for folder in ("proxy", "include") for file in (ROOT / folder).rglob("*.[ch]")}


def wrong_names():
    """Names that stand in no source, or not in the one that is said to have them."""
    words = code()
    for document in ("conformance", "threats", "architecture"):
        text = (DOCUMENTS / f"{document}.md").read_text()
        for name, place in re.findall(r"`(\w+)`,? in `([\w/]+\.[ch])`", text):
            if not any(name in found for file, found in words.items() if file.endswith(f"/{place}")):
                yield f"{document}.md: there is no {name} in {place}"
        for name in re.findall(r"`([a-z]+_\w+)`", text):
            if not name.startswith("test_") and not any(name in found for found in words.values()):
                yield f"{document}.md: there is no {name}"


def main():
    sections = statements()
    needed = {name: [number for number, need in found if need == "must"]
              for name, found in sections.items()
              if any(need == "must" for _, need in found)}
    known = {number for found in sections.values() for number, _ in found}
    problems = [f"conformance.md names {name}, which is not there" for name in missing_files()]
    problems += not_shown()
    if documented() != needed:
        problems.append(f"conformance.md and tests/lib/statements differ:\n"
                        f"  {documented()}\n  {needed}")
    problems += [f"{file.relative_to(ROOT)}: there is no statement {number}"
                 for file, number in named_by_tests() if number not in known]
    problems += [f"threats.md: {wrong}" for wrong in wrong_in_threats(known)]
    problems += wrong_names()
    print("\n".join(problems) or "in step")
    return 1 if problems else 0


sys.exit(main())
