"""What each stream of the RPC family sends after its confirmation: those that remember, one per subscription."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cache_streams.protocol.rendition import is_gone, payload_of
from cache_streams.protocol.rpc.envelopes import update_body
from cache_streams.protocol.rpc.market_results import bar_result, queue_result
from cache_streams.streams.declaration import Key
from cache_streams.streams.ohlcv import Bar
from cache_streams.streams.update import KeySnapshot, Update

_BAR = msgspec.json.Decoder(Bar)


class BarUpdates:
    """Every new bar, in order, as it opens; changes within the open bar and bars written again are not told."""

    def __init__(self) -> None:
        self._told: dict[Key, float] = {}

    def snapshot(self, keys: Sequence[KeySnapshot], now: float) -> list[bytes]:
        """Return the newest bar of each key, if it has one that was not told yet."""
        return [body for key in keys for change in key.updates[-1:] for body in self.update(change, now)]

    def update(self, update: Update, now: float) -> Sequence[bytes]:  # as every rendition
        """Return the bar when it is newer than the last one told."""
        bar = payload_of(update, _BAR)
        if bar is None or bar.time <= self._told.get(update.key, float("-inf")):
            return ()
        self._told[update.key] = bar.time
        return (update_body(bar_result(bar.symbol, bar.timeframe, update.extra())),)


class QueueUpdates:
    """The number of orders of one exchange that the subscriber may see, whenever it changed."""

    def __init__(self, exchange: str) -> None:
        self._exchange = exchange
        self._sizes: dict[Key, int] = {}
        self._told: int | None = None

    def snapshot(self, keys: Sequence[KeySnapshot], now: float) -> list[bytes]:
        """Return the number, also when it is 0."""
        self._sizes = {key.key: len(key.updates) for key in keys}
        return list(self._tell(now))

    def update(self, update: Update, now: float) -> Sequence[bytes]:
        """Return the number when it changed."""
        if update.size is not None:
            self._sizes[update.key] = update.size
        return () if update.more else self._tell(now)

    def _tell(self, now: float) -> Sequence[bytes]:
        length = sum(self._sizes.values())
        if length == self._told:
            return ()
        self._told = length
        return (update_body(queue_result(self._exchange, length, now)),)


class BotUpdates:
    """What every bot that the subscriber may see stored, or ``only`` one of them, whenever any of it changed."""

    def __init__(self, only: str | None = None) -> None:
        self._only = only
        self._stored: dict[str, msgspec.Raw] = {}
        self._told: dict[str, msgspec.Raw] | None = None

    def snapshot(self, keys: Sequence[KeySnapshot], now: float) -> list[bytes]:
        """Return the bots, also when there are none."""
        self._stored = {}
        for key in keys:
            for change in key.updates:
                self._note(change)
        return list(self._tell(now))

    def update(self, update: Update, now: float) -> Sequence[bytes]:
        """Return all of the bots when one changed."""
        self._note(update)
        return self._tell(now)

    def _note(self, update: Update) -> None:
        bot = update.key[0]
        if self._only not in (None, bot):
            return
        stored = None if is_gone(update) else update.extra().get("stored")
        if stored is None:
            self._stored.pop(bot, None)
        else:
            self._stored[bot] = msgspec.Raw(msgspec.json.encode(stored))

    def _tell(self, now: float) -> Sequence[bytes]:
        if self._stored == self._told:
            return ()
        self._told = dict(self._stored)
        return (update_body({"bots": self._told, "timestamp": now}),)


class ProcessHealthUpdates:
    """The number of processes that were seen within the last minutes, whenever it changed."""

    def __init__(self) -> None:
        self._active: set[tuple[Key, str | None]] = set()
        self._told: int | None = None

    def snapshot(self, keys: Sequence[KeySnapshot], now: float) -> list[bytes]:
        """Return the number, also when it is 0."""
        self._active = set()
        for key in keys:
            for change in key.updates:
                self._note(change)
        return list(self._tell(now))

    def update(self, update: Update, now: float) -> Sequence[bytes]:
        """Return the number when it changed."""
        self._note(update)
        return () if update.more else self._tell(now)

    def _note(self, update: Update) -> None:
        process = (update.key, update.element)
        if not is_gone(update) and update.extra().get("active"):
            self._active.add(process)
        else:
            self._active.discard(process)

    def _tell(self, now: float) -> Sequence[bytes]:
        if len(self._active) == self._told:
            return ()
        self._told = len(self._active)
        return (update_body({"active_processes": self._told, "timestamp": now}),)
