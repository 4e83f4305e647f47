"""The figures as a page of Markdown."""

from .figures import is_reached
from .trials import FLOOR, OURS


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def with_spread(figure):
    return f"{figure['median']:.2f} ({figure['least']:.2f} to {figure['most']:.2f})"


def ratio(row, name):
    return with_spread(row["ratios"][name]) if name in row["ratios"] else ""


def reach(row):
    words = [f"{one['wanted']:.2f} x {one['beside']}" for one in row["reach"]]
    if row["most"] is not None:
        words.append(f"at most {row['most']:g}")
    return "; ".join(words)


def verdict(row):
    if OURS in row["failed"]:
        return "**failed**"
    return {None: "", True: "yes", False: "no"}[is_reached(row)]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def summary(rows):
    """Ours beside the best of the others, and beside the floor."""
    shown = []
    for row in rows:
        ours, best = row["subjects"].get(OURS), row["best"]
        named = " ".join(f"{row['ratios'][one['beside']]['median']:.2f} x {one['beside']}"
                         for one in row["reach"] if one["beside"] not in (best, FLOOR))
        shown.append([
            f"{row['title']}, {row['unit']}", number(ours["median"]) if ours else "",
            f"{number(row['subjects'][best]['median'])} {best}" if best else "",
            (ratio(row, best) if best else "") + (f"; {named}" if named else ""),
            ratio(row, FLOOR), reach(row), verdict(row)])
    return table(["figure", "mailmux", "best peer", "ratio (spread)", "to the bare relay",
                  "to reach", "reached"], shown)


def cell(row, name):
    if name in row["subjects"]:
        one = row["subjects"][name]
        return f"{number(one['median'])} ({number(one['least'])} to {number(one['most'])})"
    return "failed" if name in row["failed"] else row["cannot"].get(name, "")


def everything(rows, names):
    return table(["figure", *names],
                 [[f"{row['title']}, {row['unit']}", *(cell(row, name) for name in names)]
                  for row in rows])


def page(run):
    """`run` is what goes to JSON."""
    machine = run["machine"]
    lines = [
        f"mailmux {machine['commit']}; {machine['system']}, kernel {machine['kernel']}, "
        f"{machine['processors']} processors ({machine['model']}), {machine['openssl']}; "
        f"{run['workers']} worker, up to {run['rounds']} rounds, {run['seconds'] / 60:.0f} minutes. "
        f"{run['disturbed']} measurements were disturbed by other processes and "
        f"{run['repeated']} repeated.", "",
        *summary(run["rows"]), "", *everything(run["rows"], list(run["versions"])), "",
        *table(["program", "version"], list(map(list, run["versions"].items())))]
    failures = [f"- {row['title']}: {why}" for row in run["rows"] for why in row["failed"].values()]
    if failures:
        lines += ["", "Failed:", "", *dict.fromkeys(failures)]
    return "\n".join(lines) + "\n"
