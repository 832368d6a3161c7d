"""Charts of a fan-out as SVG, drawn from the kept JSON; their colours are read on light and on dark paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from benchmarks.report import Row

WIDTH, LEFT, RIGHT = 820, 250, 90
_BAR, _GAP, _HEAD = 16, 8, 34
OURS, THEIRS, TEXT, GRID = "#e0742d", "#4f8fc4", "#808890", "#80889055"


@dataclass(frozen=True, slots=True)
class Panel:
    """One group of bars: a title, and a value (µs) for each server."""

    title: str
    bars: Sequence[tuple[str, float]]

    @property
    def height(self) -> int:
        return _HEAD + len(self.bars) * (_BAR + _GAP) + _GAP


def panels(rows: Sequence[Row]) -> list[Panel]:
    """Return a panel per load: CPU per delivered frame of each server, cheapest first."""
    loads = dict.fromkeys(str(row["load"]) for row in rows)
    return [
        Panel(
            f"{load}: server CPU per delivered frame, µs",
            sorted(
                ((str(r["server"]), float(r["CPU µs per frame"])) for r in rows if r["load"] == load),
                key=lambda bar: bar[1],
            ),
        )
        for load in loads
    ]


def svg(drawn: Sequence[Panel]) -> str:
    """Return the panels one below the other; a bar that would dwarf the others is cut, and its number says so."""
    parts, top = [], 0
    for panel in drawn:
        parts += _panel(panel, top)
        top += panel.height
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{TEXT}">'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def _panel(panel: Panel, top: int) -> list[str]:
    full = WIDTH - LEFT - RIGHT
    scale = _scale([value for _, value in panel.bars])
    drawn = [f'<text x="8" y="{top + 22}" font-weight="600">{escape(panel.title)}</text>']
    for index, (name, value) in enumerate(panel.bars):
        y = top + _HEAD + index * (_BAR + _GAP)
        width = max(min(value / scale, 1.0) * full, 1.0)
        colour = OURS if name.startswith("gateway") else THEIRS
        cut = " (bar cut)" if value > scale else ""
        drawn += [
            f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2" fill="{colour}"/>',
            f'<text x="{LEFT + width + 6:.1f}" y="{y + 13}">{value:g}{cut}</text>',
        ]
    bottom = top + panel.height - _GAP
    drawn.append(f'<line x1="{LEFT}" y1="{top + _HEAD - 4}" x2="{LEFT}" y2="{bottom}" stroke="{GRID}"/>')
    return drawn


def _scale(values: Sequence[float]) -> float:
    """Return the value of a full bar: the largest, unless it is more than five times the middle one."""
    ranked = sorted(values)
    middle = ranked[len(ranked) // 2]
    return max(value for value in ranked if value <= 5 * middle)
