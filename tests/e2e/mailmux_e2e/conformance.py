"""Which statements about mailmux's behaviour are proved, and by how many tests.

The statements are in tests/lib/statements. End-to-end tests name those that they prove with
@pytest.mark.conformance("C14", ...). Each test module writes a file with a line for each statement
and test, so that the results of several processes can be put together. Unit tests and transcripts
print them, and ctest keeps that in its results.
"""

import os
import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator

import pytest

# Checks the same behaviour with every byte in a segment of its own [C53].
BYTEWISE = "bytewise"
STATEMENTS = Path(__file__).resolve().parents[2] / "lib/statements"


# The statements

@dataclass(frozen=True)
class Statement:
    number: str
    is_needed: bool  # False: what it is about is not all there yet
    title: str
    section: str


def statements() -> list[Statement]:
    found, section = [], ""
    for line in STATEMENTS.read_text().splitlines():
        if re.match(r"\d", line):
            section = line
        elif match := re.fullmatch(r"(C\d+[a-z]?) (must|later) (.+)", line):
            found.append(Statement(match[1], match[2] == "must", match[3], section))
        elif line and not line.startswith("#"):
            raise ValueError(f"{STATEMENTS}: {line}")
    return found


# The results

@dataclass(frozen=True)
class Row:
    """The result of one test for one statement."""

    number: str
    outcome: str  # passed, failed, skipped
    test: str

    @property
    def is_end_to_end(self) -> bool:
        return ".py::" in self.test or self.test.startswith("tests/")


def read_rows(*directories: Path) -> Iterator[Row]:
    for directory in directories:
        for file in sorted(directory.glob("*.txt")):
            for line in file.read_text().splitlines():
                yield Row(*line.split(" ", 2))


def stated(output: str) -> Iterator[tuple[str, str]]:
    """(number, outcome) of each statement that a unit test or a transcript says it proves."""
    # "[ RUN      ] test", "conformance C1 C2", "[       OK ] test". A failure has no third line
    # here, since cmocka reports it on stderr.
    said: list[str] = []
    for line in output.splitlines():
        if line.startswith("[ RUN "):
            yield from ((number, "failed") for number in said)
            said = []
        elif line.startswith("conformance C"):
            said = line.split()[1:]
        elif line.startswith("[       OK ]"):
            yield from ((number, "passed") for number in said)
            said = []
        elif transcript := re.match(r"(passed|FAILED)  \S+  (C\d.*)", line):
            yield from ((number, transcript[1].lower()) for number in transcript[2].split())
    yield from ((number, "failed") for number in said)


def read_results(results: Path) -> Iterator[Row]:
    """The results of unit tests and transcripts, from ctest's JUnit file."""
    if not results.is_file():
        return
    for case in ElementTree.parse(results).getroot().iter("testcase"):
        for number, outcome in stated(case.findtext("system-out") or ""):
            yield Row(number, outcome, case.get("name") or "")


def verdict(statement: Statement, rows: Iterable[Row]) -> str:
    """A statement fails with one failed test. Only an end-to-end test proves it."""
    rows = list(rows)
    if any(row.outcome == "failed" for row in rows):
        return "failed"
    if any(row.outcome == "passed" and row.is_end_to_end for row in rows):
        return "passed"
    return "missing" if statement.is_needed else "due"


def judge(rows: Iterable[Row]) -> list[tuple[Statement, str, list[Row]]]:
    """The verdict on each statement, with its rows. Raises ValueError for an unknown number."""
    by_number: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_number[row.number].append(row)
    judged = [(one, verdict(one, by_number[one.number]), by_number.pop(one.number))
              for one in statements()]
    if by_number:
        raise ValueError(f"unknown statements: {dict(by_number)}")
    return judged


def table(judged: Iterable[tuple[Statement, str, list[Row]]]) -> list[str]:
    """Lines to read, such as "C14 passed 12 tests  TITLE", under the titles of the sections."""
    lines, section = [], ""
    for one, outcome, rows in judged:
        if one.section != section:
            section = one.section
            lines.append(section)
        tests = f"{len(rows)} test{'' if len(rows) == 1 else 's'}"
        lines.append(f"  {one.number:<5} {outcome:<8} {tests:>9}  {one.title}")
    return lines


# Collecting them from pytest

def numbers(item: pytest.Item) -> list[str]:
    found = [str(n) for mark in item.iter_markers("conformance") for n in mark.args]
    call = getattr(item, "callspec", None)
    if found and call is not None and call.params.get("bytewise"):
        found.append("C53")
    return found


class Conformance:
    def __init__(self) -> None:
        self._results: dict[str, dict[str, tuple[list[str], str]]] = defaultdict(dict)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item):  # type: ignore[no-untyped-def]
        outcome = yield
        report = outcome.get_result()
        wanted = numbers(item)
        if not wanted:
            return
        _, before = self._results[item.path.stem].get(item.nodeid, (wanted, "passed"))
        now = report.outcome if report.when == "call" or report.outcome != "passed" else before
        worst = now if before == "passed" else before
        self._results[item.path.stem][item.nodeid] = (wanted, worst)

    def pytest_sessionfinish(self) -> None:
        directory = os.environ.get("MAILMUX_CONFORMANCE")
        if not directory:
            return
        Path(directory).mkdir(parents=True, exist_ok=True)
        for module, tests in self._results.items():
            lines = [f"{number} {outcome} {name}\n"
                     for name, (wanted, outcome) in tests.items() for number in wanted]
            (Path(directory) / f"{module}.txt").write_text("".join(lines))
