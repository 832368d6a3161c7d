"""Numbers as operators read them: durations, ages, latencies."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from django import template

register = template.Library()

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"))
UNKNOWN = "\N{EN DASH}"


@register.filter
def duration(seconds: float | None) -> str:
    """Return seconds as ``0.4 s``, ``12 s``, ``5 min``, ``3.5 h``, ``2.1 d``; a dash where nobody knows."""
    if seconds is None:
        return UNKNOWN
    for step, unit in _STEPS:
        if seconds >= 2 * step:
            return f"{seconds / step:.3g} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - below it tenths tell something


@register.filter
def since(unix_s: float) -> str:
    """Return how long ago a moment in Unix seconds was."""
    return duration(max(0.0, time.time() - unix_s))


@register.filter
def moment(unix_s: float | None) -> str:
    """Return Unix seconds as a time in UTC."""
    if unix_s is None:
        return UNKNOWN
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


@register.filter
def milliseconds(seconds: float | None) -> str:
    """Return seconds as milliseconds with three digits that count."""
    return UNKNOWN if seconds is None else f"{1000 * seconds:.3g} ms"


@register.filter
def known(number: float | None) -> str:
    """Return a number with one digit after the point, or a dash."""
    return UNKNOWN if number is None else f"{number:,.1f}"
