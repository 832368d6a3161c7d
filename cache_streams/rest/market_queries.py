"""What a request for candles and trades asks: which market, which timeframe, how many, and from when to when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError

from cache_streams.protocol.native.keys import NAME_CHARACTERS_LIMIT
from cache_streams.streams import values
from cache_streams.streams.ohlcv import TIMEFRAMES, timeframe_seconds

TIMEFRAME_DEFAULT = "1m"
COUNT_DEFAULT = 100
LIMIT, START, END, TIMEFRAME = "limit", "start_time", "end_time", "timeframe"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Window:
    """Times from ``start`` to ``end``, both included, in Unix seconds."""

    start: float
    end: float

    def holds(self, time: float) -> bool:
        """Return whether ``time`` is within."""
        return self.start <= time <= self.end


def market_names(exchange: str, symbol: str) -> tuple[str, ...]:
    """Return how the market may be called in the cache, as asked first. Raises: ``NotFound`` for what none can be called.

    Clients that cannot put a slash into a path write a dash.
    """
    for name in (exchange, symbol):
        if not 1 <= len(name) <= NAME_CHARACTERS_LIMIT or _CONTROL.search(name):
            raise NotFound
    return (symbol, symbol.replace("-", "/", 1)) if "-" in symbol and "/" not in symbol else (symbol,)


def known_timeframe(text: str) -> str:
    """Return ``text``. Raises: ``ValidationError`` when it is no timeframe."""
    if timeframe_seconds(text) is None:
        refuse(TIMEFRAME, f"timeframe is one of {', '.join(TIMEFRAMES)}.")
    return text


def read_limit(given: Mapping[str, str], *, most: int, default: int = COUNT_DEFAULT) -> int:
    """Return how many are wanted at most. Raises: ``ValidationError``."""
    text = given.get(LIMIT, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        refuse(LIMIT, f"limit is an integer from 1 to {most}.")
    return int(text)


def read_window(given: Mapping[str, str]) -> Window:
    """Return the times asked for; both are required. Raises: ``ValidationError`` naming the parameter and its rule."""
    start, end = _time(given, START), _time(given, END)
    if end < start:
        refuse(END, "end_time is not before start_time.")
    return Window(start, end)


def only(given: Mapping[str, str], *names: str) -> None:
    """Refuse every parameter but ``names``: one with a typing error would look as if it had been heeded."""
    for name in given:
        if name not in names:
            known = f"there are {', '.join(names)}" if names else "this route has none"
            refuse(name, f"There is no such parameter; {known}.")


def iso(time: float) -> str:
    """Return Unix seconds as the answers write them."""
    return datetime.fromtimestamp(time, UTC).isoformat()


def refuse(name: str, rule: str, code: str = "invalid") -> NoReturn:
    """Raise the ``ValidationError`` of one parameter."""
    raise ValidationError({name: [ErrorDetail(rule, code)]})


def _time(given: Mapping[str, str], name: str) -> float:
    if name not in given:
        refuse(name, "Field required", "required")
    time = values.epoch(given[name])
    if time is None:
        refuse(name, f"{name} is a time as ISO 8601 writes it (2026-01-31T12:00:00Z; without a zone: UTC).")
    return time
