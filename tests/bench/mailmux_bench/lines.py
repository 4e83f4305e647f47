"""A chart of lines: what an operation costs, in microseconds, while something grows tenfold and again."""

from math import log10
from statistics import median

from .chart import text

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 320, 70, 20, 50, 50
COLOURS = ("#2a7f62", "#b5483a", "#3b5ba5", "#e0a030")


def scales(growth):
    sizes = sorted({size for line in growth.lines.values() for size in line})
    most = max(median(values) for line in growth.lines.values() for values in line.values()) * 1.15
    first, last = log10(sizes[0]), max(log10(sizes[-1]), log10(sizes[0]) + 1)

    def x(size):
        return LEFT + (log10(size) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value):
        return HEIGHT - BOTTOM - value / most * (HEIGHT - TOP - BOTTOM)
    return sizes, most, x, y


def picture(growth):
    sizes, most, x, y = scales(growth)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             text(LEFT, 18, growth.title),
             text((LEFT + WIDTH) / 2, HEIGHT - 12, growth.grows, "middle", "#666")]
    for part in range(5):
        value = most * part / 4
        parts += [f'<line x1="{LEFT}" y1="{y(value):.0f}" x2="{WIDTH - RIGHT}" y2="{y(value):.0f}" '
                  'stroke="#ddd"/>', text(LEFT - 6, y(value) + 4, f"{value:,.0f}", "end", "#666")]
    parts += [text(x(size), HEIGHT - 30, f"{size:,}", "middle", "#666") for size in sizes]
    for number, (title, line) in enumerate(growth.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [(x(size), y(median(line[size]))) for size in sorted(line)]
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
                     + " ".join(f"{a:.1f},{b:.1f}" for a, b in points) + '"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
        parts.append(text(LEFT + number * 220, 38, title, colour=colour))
    return "\n".join([*parts, "</svg>"]) + "\n"


def table(growth):
    sizes = sorted({size for line in growth.lines.values() for size in line})
    rows = [f"| {growth.title}, us CPU | " + " | ".join(f"{size:,}" for size in sizes)
            + " | last to first |", "|---|" + "---:|" * (len(sizes) + 1)]
    for title, line in growth.lines.items():
        figures = [median(line[size]) if size in line else None for size in sizes]
        whole = f"{figures[-1] / figures[0]:.2f}" if figures[0] and figures[-1] else ""
        rows.append(f"| {title} | " + " | ".join(f"{one:,.1f}" if one else "" for one in figures)
                    + f" | {whole} |")
    return rows
