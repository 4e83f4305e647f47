"""docs/developer/system-calls.md names the system calls that the service's lock leaves, and no others; the
same with those that end it, and with the files.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/developer/system-calls.md").read_text()
CALLS = (ROOT / "proxy/daemon/lockdown_calls.c").read_text()
FILES = (ROOT / "proxy/daemon/lockdown_files.c").read_text()


def array(source, name):
    """The strings of an array of the code; of structs, the first of each."""
    body = re.search(rf"\b{name}\[\] = {{(.*?)}};", source, re.S)[1]
    inner = re.findall(r'{\s*"([^"]+)"', body)
    return set(inner or re.findall(r'"([^"]+)"', body))


def section(title):
    return re.search(rf"^## {title}$(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]


def words_of_rows(text):
    """What stands in backquotes in the first column."""
    rows = re.findall(r"^\| (.*?) \|", text, re.M)
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def compare(what, code, page):
    for word in sorted(code - page):
        print(f"docs/developer/system-calls.md does not name {what} {word}")
    for word in sorted(page - code):
        print(f"docs/developer/system-calls.md names {what} {word}, which the lock does not have")
    return code == page


def main():
    calls = section("System calls")
    allowed = array(CALLS, "allowed") | array(CALLS, "conditions") | {"tgkill"}
    deadly = set(re.findall(r"`([^`]+)`", calls.split("SIGSYS", 1)[1].split("\n\n", 1)[0]))
    good = [compare("call", allowed, words_of_rows(calls) - {"clone3"}),
            compare("deadly call", array(CALLS, "deadly"), deadly),
            compare("file", array(FILES, "places"), words_of_rows(section("Files")))]
    print(f"{len(allowed)} system calls")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
