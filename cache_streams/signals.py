"""What wakes the reader beside its logs: a stream of its own, for a new set of logs, and the control stream, for news."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TypeAlias

from cache_streams.connections import ask, shared_redis
from cache_streams.log_names import control_key
from cache_streams.metrics import CONTROL_MESSAGES
from cache_streams.places import position

WAKE_TTL_S = 60

Entries: TypeAlias = list[tuple[bytes, dict[bytes, bytes]]]
"""Entries of a Redis stream as redis-py gives them: id and fields."""


class Signals:
    """The streams that are read in the same XREAD as the logs, and how far."""

    def __init__(self, prefix: str) -> None:
        self._wake_key = f"{prefix}:wake:{uuid.uuid4().hex}"
        self._control_key = control_key(prefix)
        self.positions = {self._wake_key: "0-0"}
        """Id of the last entry read, by stream: what XREAD is asked for."""
        self.on_news: Callable[[str, str], None] = lambda _kind, _subject: None
        """Called for each entry of the control stream: kind of news, and whose."""

    async def wake(self) -> None:
        """Make the blocking read return, so that it takes the new set of logs. Raises ``redis.RedisError``."""
        redis = shared_redis()
        await ask(redis, "XADD", self._wake_key, "MAXLEN", 1, "*", "w", "1")
        await ask(redis, "EXPIRE", self._wake_key, WAKE_TTL_S)

    async def find_control(self) -> None:
        """Stand at the end of the control stream, or go on where we were if it still reaches there. Raises as ``wake``."""
        newest = await ask(shared_redis(), "XREVRANGE", self._control_key, "+", "-", "COUNT", 1)
        end = newest[0][0].decode() if newest else "0-0"
        known = self.positions.get(self._control_key)
        if known is None or position(end) < position(known):
            self.positions[self._control_key] = end

    def take(self, name: str, entries: Entries) -> bool:
        """Take what was read of one stream, telling news; False if it is none of these but a log."""
        if name not in self.positions:
            return False
        self.positions[name] = entries[-1][0].decode()
        if name == self._control_key:
            for _, fields in entries:
                for kind, subject in fields.items():
                    CONTROL_MESSAGES.labels(kind.decode()).inc()
                    self.on_news(kind.decode(), subject.decode())
        return True
