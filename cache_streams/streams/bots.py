"""Bots: what each bot reports of its feeds, which markets it blocks, and where it is opening a position."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from cache_streams.streams import values
from cache_streams.streams.declaration import (
    Audience,
    JoinedHashes,
    Key,
    Kind,
    Malformed,
    Mode,
    Record,
    Stream,
)

_STATUS, _BLOCKS, _OPENING = "bot_status", "block_exchange", "opening_position"
_BROKEN = {"error": "Invalid JSON"}  # what the compatible families show in place of a bot that cannot be read
_OPENING_VALUE = re.compile(
    r"(.+?):\d{4}-\d{2}-\d{2}[T ].*", re.DOTALL
)  # {bot id}:{ISO}; an id may hold colons

Stored: TypeAlias = dict[str, Any]  # Any: JSON as a bot stored it


class Market(msgspec.Struct, frozen=True, order=True, gc=False):
    """One market of one exchange."""

    exchange: str
    symbol: str


class Bot(msgspec.Struct, frozen=True):
    """State of one bot: ``feeds`` by name as it stored them, ``blocks`` and ``opening`` in alphabetical order.

    ``time`` is Unix seconds of the newest feed; None when no feed tells.
    """

    bot: str
    status: str | None
    feeds: dict[str, Stored]
    blocks: tuple[Market, ...]
    opening: tuple[Market, ...]
    time: float | None


def decode(hashes: Mapping[str, Mapping[str, bytes]]) -> Mapping[Key, Record | Malformed]:
    """Join ``bot_status``, ``block_exchange`` and ``opening_position`` into one record per bot.

    A bot known only by a block or an opening has no feeds and no extras; broken JSON is a flaw that hides nothing.
    Malformed ``market`` stands under the field's own name where a block or opening names no market or no bot.
    """
    statuses = hashes.get(_STATUS, {})
    blocks, bad_blocks = _by_bot(hashes.get(_BLOCKS, {}), values.identifier)
    opening, bad_opening = _by_bot(hashes.get(_OPENING, {}), _opening_bot)
    joined: dict[Key, Record | Malformed] = {
        (field,): Malformed("market") for field in bad_blocks + bad_opening
    }
    for bot in dict.fromkeys([*statuses, *blocks, *opening]):
        try:
            joined[bot,] = _record(bot, statuses.get(bot), blocks.get(bot, []), opening.get(bot, []))
        except Malformed as malformed:
            joined[bot,] = malformed
    return joined


def _record(bot: str, raw: bytes | None, blocks: list[Market], opening: list[Market]) -> Record:
    values.name(bot)
    stored: Stored = {}
    flaw = None
    if raw is not None:
        try:
            stored = values.json_object(raw)
        except Malformed as malformed:
            flaw = malformed.reason
    feeds = {name: feed for name, feed in stored.items() if isinstance(feed, dict)}
    times = [
        time
        for feed in (stored, *feeds.values())
        if (time := values.epoch(feed.get("timestamp"))) is not None
    ]
    statuses = (values.text(told.get("status")) for told in (stored, *feeds.values()))
    value = Bot(
        bot=bot,
        status=next((status for status in statuses if status), None),
        feeds=feeds,
        blocks=tuple(sorted(blocks)),
        opening=tuple(sorted(opening)),
        time=max(times, default=None),
    )
    extras = None if raw is None else {"stored": _BROKEN if flaw else stored}
    return Record(key=(bot,), value=value, extras=extras, time=value.time, flaw=flaw)


def _by_bot(
    fields: Mapping[str, bytes], bot_of: Callable[[str], str | None]
) -> tuple[dict[str, list[Market]], list[str]]:
    """Return the markets of ``{exchange}:{symbol}`` fields per bot, and the fields that name no market or no bot."""
    markets: dict[str, list[Market]] = {}
    bad: list[str] = []
    for field, raw in fields.items():
        exchange, _, symbol = field.partition(":")
        bot = bot_of(raw.decode(errors="replace"))
        if bot and exchange and symbol:
            markets.setdefault(bot, []).append(Market(exchange, symbol))
        else:
            bad.append(field)
    return markets, bad


def _opening_bot(stored: str) -> str | None:
    found = _OPENING_VALUE.fullmatch(stored)
    return values.identifier(found[1] if found else stored.partition(":")[0])


BOTS = Stream(
    name="bots",
    payload=Bot,
    key_fields=("bot",),
    kind=Kind.VALUE,
    mode=Mode.LATEST,
    audience=Audience.OWNER,
    owner="bot",
    layout=JoinedHashes((_STATUS, _BLOCKS, _OPENING), decode),
)
