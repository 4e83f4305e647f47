#!/usr/bin/env python3
"""The README shows the recipes exactly as they are shipped; the longest one it only names."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
LONG = "mail-server.ini"


def problems():
    shown = re.findall(r"^```ini\n(.*?)^```$", README, re.M | re.S)
    recipes = {path.name: path.read_text() for path in (ROOT / "deploy/recipes").glob("*.ini")
               if path.name != LONG}
    if f"(deploy/recipes/{LONG})" not in README:
        yield f"README.md does not name deploy/recipes/{LONG}"
    for name, text in sorted(recipes.items()):
        if text not in shown:
            yield f"deploy/recipes/{name} is not in README.md as it is"
        if len(text.splitlines()) > 12:
            yield f"deploy/recipes/{name} has more than twelve lines"
    if len(shown) != len(recipes):
        yield f"README.md shows {len(shown)} recipes, there are {len(recipes)}"


found = list(problems())
print(*found or ["README.md is right"], sep="\n")
sys.exit(bool(found))
