"""Whether the demo feed may write to a Redis: only to one of our own, or beside nothing but its own keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from redis.asyncio import Redis

from cache_streams.connections import ask

_HEADS = (
    *("tickers:", "ticker_time:", "trades:", "TRADE:STATUS:", "user_trades:", "USER_TRADE:STATUS:"),
    *("order_status:", "new_orders:", "ohlcv:", "process:"),
)
_WHOLE = ("accounts", "account_positions", "bot_status", "block_exchange", "opening_position")


class NotOursError(Exception):
    """The demo feed may not write here; the text is one sentence that says why and what to do."""


class MarksGoneError(Exception):
    """Redis no longer has what the demo feed wrote: it came back empty, or as another one."""


class Ownership:
    """The keys that the demo feed wrote, remembered in Redis before each is written for the first time."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._marker = f"{prefix}:demo:keys"
        self._private = f"{prefix}:private"
        self._marked: set[str] = set()

    async def claim(self, *, own: bool) -> None:
        """Return when the feed may write; ``own``: somebody said that this Redis is theirs to write to.

        Raises: NotOursError; nothing has been written then.
        """
        if await ask(self._redis, "EXISTS", self._private):
            self._marked = set()
            return
        if not own:
            raise NotOursError(
                "demo_feed writes only to a Redis that `make run` started; "
                "for another one that is yours to overwrite add --i-own-this-redis."
            )
        marked = {key.decode() for key in await ask(self._redis, "SMEMBERS", self._marker)}
        present: set[str] = set()
        async for key in self._layout_keys():
            if key not in marked:
                raise NotOursError(
                    f"demo_feed did not write the key {key!r} of this Redis: somebody's collectors use it, "
                    "so nothing was written."
                )
            present.add(key)
        if gone := marked - present:
            await ask(self._redis, "SREM", self._marker, *gone)
        self._marked = present

    async def confirm(self) -> None:
        """Return when this is still the Redis that was claimed: a client reconnects without a word to any that answers.

        Raises: MarksGoneError.
        """
        if self._marked and not await ask(self._redis, "EXISTS", self._marker):
            raise MarksGoneError

    def mark(self, keys: Iterable[str]) -> list[tuple[str | int, ...]]:
        """Return the command that must precede the first write of ``keys``; none if all are marked."""
        new = set(keys) - self._marked
        self._marked |= new
        return [("SADD", self._marker, *sorted(new))] if new else []

    async def _layout_keys(self) -> AsyncIterator[str]:
        async for raw in self._redis.scan_iter(count=1000):
            key = raw.decode(errors="replace")
            if key in _WHOLE or key.startswith(_HEADS):
                yield key
