"""From the rounds to figures: medians, spreads, and ratios of one round each."""

from statistics import median

from .trials import FLOOR, OURS


def spread(values):
    return {"median": median(values), "least": min(values), "most": max(values)}


def of_figure(results, figure):
    """What one row shows; a plain dictionary, as it goes to JSON."""
    rounds = {name: [values[figure.key] for values in one] for name, one in results.values.items()
              if name not in results.failed}
    row = {"trial": results.trial.key, "key": figure.key, "title": figure.title,
           "unit": figure.unit, "cannot": results.cannot, "failed": results.failed,
           "subjects": {name: {**spread(values), "rounds": values}
                        for name, values in rounds.items()},
           "ratios": {}, "best": None, "reach": [], "most": figure.most}
    if OURS not in rounds:
        return row
    for name, values in rounds.items():
        if name != OURS and min(values) > 0:
            row["ratios"][name] = spread([ours / its for ours, its in zip(rounds[OURS], values)])
    peers = [name for name in row["ratios"] if name != FLOOR]
    row["best"] = min(peers, key=lambda name: row["subjects"][name]["median"], default=None)
    for whom, ratio in figure.reach:
        name = row["best"] if whom == "best" else whom
        if name in row["ratios"]:
            row["reach"].append({"beside": name, "wanted": ratio,
                                 "is": row["ratios"][name]["median"]})
    return row


def is_reached(row):
    """None where nothing is to be reached, or nothing could be measured."""
    if "mailmux" not in row["subjects"]:
        return None
    verdicts = [one["is"] <= one["wanted"] for one in row["reach"]]
    if row["most"] is not None:
        verdicts.append(row["subjects"][OURS]["median"] <= row["most"])
    return all(verdicts) if verdicts else None


def of_trial(results):
    return [of_figure(results, figure) for figure in results.trial.figures]
