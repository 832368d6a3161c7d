"""Messages as lines for people: the time, the key, and what the object says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET

from cache_streams.client.command.output import Colour, Output
from cache_streams.client.messages import Deleted, Message
from cache_streams.streams.agents import AgentEvent

_IN_KEY = frozenset({"exchange", "symbol", "account", "bot", "timeframe"})
_TEXT_LIMIT = 120
_KEYS_LIMIT = 65_536
NOTHING = "nothing there"


class Lines:
    """Makes lines, and remembers prices so that a rise and a fall can be seen."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._prices: dict[str, float] = {}

    def of(self, message: Message[Any]) -> Iterator[str]:  # Any: whichever stream
        """Return the lines of one message: one for each object."""
        elements = message.data if isinstance(message.data, list) else [message.data]
        for element in elements or [None]:
            marks = [self._output.paint(text, colour) for text, colour in _marks(message)]
            when = self._output.paint(_clock(message, element), Colour.DIM)
            yield " ".join(
                [when, self._output.paint(message.key, Colour.BOLD), self._said(message.key, element), *marks]
            )

    def _said(self, key: str, element: Any) -> str:  # Any: the object of whichever stream
        if element is None:
            return NOTHING
        if isinstance(element, Deleted):
            return f"{element.deleted} left"
        if isinstance(element, AgentEvent):
            return _event(element)
        told = {name: value for name, value in msgspec.to_builtins(element).items() if name not in _IN_KEY}
        price = told.pop("price", None)
        told.pop("time", None)
        facts = [f"{name}={_short(value)}" for name, value in told.items() if value is not None]
        return " ".join(([] if price is None else [self._price(key, float(price))]) + facts)

    def _price(self, key: str, price: float) -> str:
        before = self._prices.pop(key, price)
        self._prices[key] = price
        if len(self._prices) > _KEYS_LIMIT:
            del self._prices[next(iter(self._prices))]
        text = f"{price:g}" if abs(price) >= 1e9 else f"{price:.8f}".rstrip("0").rstrip(".")  # noqa: PLR2004  # beyond it digits say nothing
        if price == before:
            return text
        return self._output.paint(text, Colour.UP if price > before else Colour.DOWN)


def _marks(message: Message[Any]) -> Iterator[tuple[str, Colour]]:  # Any: whichever stream
    if message.missed:
        yield f"(+{message.missed} skipped)", Colour.DIM
    if message.recovered is False:
        yield "(what was between is gone)", Colour.WARNING
    if message.replay:
        yield "(replay)", Colour.DIM


def _clock(message: Message[Any], element: Any) -> str:  # Any: as above
    at = message.source_time or getattr(element, "time", None) or message.relay_time
    if isinstance(element, AgentEvent):
        at = element.timestamp_ms / 1000
    if not isinstance(at, int | float):
        return "--:--:--.---"
    return time.strftime("%H:%M:%S", time.localtime(at)) + f".{int(at * 1000) % 1000:03d}"


def _event(event: AgentEvent) -> str:
    """Return who reports what, of which run, and the first of its words that there is."""
    words = (event.task, event.reasoning, event.message, event.final_response, event.error, event.tool_name)
    said = next((_short(each) for each in words if each is not UNSET and each), "")
    return f"{event.agent_name} {event.run_id} {event.type}: {said}".rstrip(": ")


def _short(value: Any) -> str:  # Any: JSON
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 1] + "…"
