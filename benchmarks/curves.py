"""Curves as SVG, drawn from the kept JSON: what is varied to the right on a scale of ratios, µs per frame upwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.chart import GRID, OURS, TEXT, WIDTH
from benchmarks.report import Row

_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 225, 60, 40, 58, 40


def svg(rows: Sequence[Row]) -> str:
    """Return a panel per curve, one below the other."""
    causes = list(dict.fromkeys(str(row["curve"]) for row in rows))
    height = _HEIGHT * len(causes)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{TEXT}">'
    )
    parts = [head]
    for index, cause in enumerate(causes):
        points = [(float(row["at"]), float(row["CPU µs per frame"])) for row in rows if row["curve"] == cause]
        parts += _panel(cause, points, index * _HEIGHT)
    return "\n".join([*parts, "</svg>", ""])


def _panel(cause: str, points: Sequence[tuple[float, float]], top: int) -> list[str]:
    most = max(cost for _, cost in points)
    first, last = math.log(points[0][0]), math.log(points[-1][0])

    def x(value: float) -> float:
        return _LEFT + (math.log(value) - first) / max(last - first, 1e-9) * (WIDTH - _LEFT - _RIGHT)

    def y(cost: float) -> float:
        return top + _HEIGHT - _BOTTOM - cost / most * (_HEIGHT - _TOP - _BOTTOM)

    ground = y(0.0)
    line = " ".join(f"{x(value):.1f},{y(cost):.1f}" for value, cost in points)
    drawn = [
        f'<text x="8" y="{top + 22}" font-weight="600">CPU µs per frame, by {escape(cause)}</text>',
        f'<line x1="{_LEFT}" y1="{ground:.1f}" x2="{WIDTH - _RIGHT}" y2="{ground:.1f}" stroke="{GRID}"/>',
        f'<polyline points="{line}" fill="none" stroke="{OURS}" stroke-width="2"/>',
    ]
    for value, cost in points:
        drawn += [
            f'<circle cx="{x(value):.1f}" cy="{y(cost):.1f}" r="3.5" fill="{OURS}"/>',
            f'<text x="{x(value):.1f}" y="{y(cost) - 8:.1f}" text-anchor="middle">{cost:g}</text>',
            f'<text x="{x(value):.1f}" y="{ground + 18:.1f}" text-anchor="middle">{value:,.0f}</text>',
        ]
    return drawn
