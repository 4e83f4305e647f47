"""The figures as a picture: what mailmux needs where the best peer needs 1."""

from xml.sax.saxutils import escape

from .trials import FLOOR

WIDTH, LEFT, RIGHT, STEP, TOP = 1080, 400, 140, 26, 50
MOST = 2.0


def x(value):
    return LEFT + min(value, MOST) / MOST * (WIDTH - LEFT - RIGHT)


def text(at, y, words, anchor="start", colour="#222"):
    return (f'<text x="{at:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}">'
            f"{escape(words)}</text>")


def line(at, y1, y2, colour, width=1):
    return (f'<line x1="{at:.1f}" y1="{y1:.0f}" x2="{at:.1f}" y2="{y2:.0f}" stroke="{colour}" '
            f'stroke-width="{width}"/>')


def bar(row, y):
    """The median as a bar, the spread as a line over it, what is to be reached as a mark."""
    best = row["best"]
    one = row["ratios"][best]
    colour = "#2a7f62" if one["median"] <= 1 else "#b5483a"
    parts = [text(LEFT - 8, y + 13, row["title"], "end"),
             f'<rect x="{LEFT}" y="{y}" width="{x(one["median"]) - LEFT:.1f}" height="16" '
             f'fill="{colour}"/>',
             f'<line x1="{x(one["least"]):.1f}" y1="{y + 8}" x2="{x(one["most"]):.1f}" '
             f'y2="{y + 8}" stroke="#222" stroke-width="2"/>',
             text(x(max(one["most"], one["median"])) + 6, y + 13,
                  f"{one['median']:.2f} {best}")]
    parts += [line(x(goal["wanted"]), y - 2, y + 18, "#e0a030", 3) for goal in row["reach"]
              if goal["beside"] == best]
    if FLOOR in row["ratios"]:
        floor = one["median"] / row["ratios"][FLOOR]["median"]
        parts.append(line(x(floor), y - 2, y + 18, "#888", 2))
    return parts


def picture(rows):
    shown = [row for row in rows if row["best"]]
    height = TOP + STEP * len(shown) + 20
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
             text(20, 20, "mailmux to the best peer of each row (1.00): shorter is better; line: "
                          "spread; yellow: to reach; grey: the bare relay")]
    for tenth in range(0, int(MOST * 10) + 1, 5):
        parts += [line(x(tenth / 10), TOP - 8, height - 12, "#222" if tenth == 10 else "#ddd"),
                  text(x(tenth / 10), TOP - 12, f"{tenth / 10:.1f}", "middle", "#666")]
    for number, row in enumerate(shown):
        parts += bar(row, TOP + STEP * number)
    return "\n".join([*parts, "</svg>"]) + "\n"
