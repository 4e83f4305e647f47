"""Which statements of the conformance checklist have been proved, by how many tests.

Tests name them with @pytest.mark.conformance("C14", ...). One line per statement and test goes to
a file per test module, so that the results of several pytest processes can be put together.
"""

import os
from collections import defaultdict
from pathlib import Path

import pytest

# Checks the same behaviour with every byte in a segment of its own [C53].
BYTEWISE = "bytewise"


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

    def pytest_terminal_summary(self, terminalreporter) -> None:  # type: ignore[no-untyped-def]
        rows = [(number, outcome) for tests in self._results.values()
                for wanted, outcome in tests.values() for number in wanted]
        if rows:
            terminalreporter.section("conformance")
        for line in table(rows):
            terminalreporter.write_line(line)


def table(rows: list[tuple[str, str]]) -> list[str]:
    """"C14 passed (6 tests)" for each number; one failed test fails the statement."""
    outcomes: dict[str, list[str]] = defaultdict(list)
    for number, outcome in rows:
        outcomes[number].append(outcome)
    lines = []
    for number in sorted(outcomes, key=lambda n: int(n[1:])):
        found = outcomes[number]
        verdict = next((v for v in ("failed", "passed") if v in found), "skipped")
        lines.append(f"{number} {verdict} ({len(found)} test{'s' if len(found) > 1 else ''})")
    return lines
