"""The inbox: what Django processes send to log-backed groups, numbered in the same place as everything else."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import structlog
from redis.asyncio import Redis

from cache_streams.connections import ask, new_redis
from cache_streams.log_names import inbox_key
from cache_streams.metrics import MALFORMED
from cache_streams.places import Position, position
from cache_streams.relay.store import Batch, Store
from cache_streams.streams.declaration import Record
from cache_streams.streams.sent import Sent, decode_sent

BLOCK_MS = 1000
READ_TIMEOUT_S = 3.0
PAGE = 500
POSITION = "inbox"

logger = structlog.get_logger(__name__)


class Inbox:
    """Reads the inbox for the leading relay.

    How far it was read is stored twice: roughly, for all logs, in a key of its own; exactly, in each log, in the step that
    appends. A successor starts at the rough place and skips what a log already holds.
    """

    def __init__(self, redis: Redis, prefix: str, stores: Mapping[str, Store]) -> None:
        self._redis, self._stores = redis, stores
        self._key, self._read_key = inbox_key(prefix), f"{prefix}:inbox:read"

    async def run(self) -> None:
        """Carry what arrives until cancelled. Raises: Fenced, Moved, ``redis.RedisError``."""
        client = new_redis(read_timeout_s=READ_TIMEOUT_S, connections=1)
        try:
            at = ((await ask(self._redis, "GET", self._read_key)) or b"0-0").decode()
            while True:
                reply = await ask(client, "XREAD", "COUNT", PAGE, "BLOCK", BLOCK_MS, "STREAMS", self._key, at)
                for _, entries in reply or []:
                    at = await self._carry(entries)
        finally:
            await client.aclose()

    async def _carry(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> str:
        batches: dict[str, list[Batch]] = {}
        for raw_id, fields in entries:
            sent = _readable(fields)
            if sent is not None and sent.stream in self._stores:
                batch = await self._batch(self._stores[sent.stream], sent, raw_id)
                batches.setdefault(sent.stream, []).append(batch)
        for stream, own in batches.items():
            await self._stores[stream].append(own)
        last = entries[-1][0].decode()
        await ask(self._redis, "SET", self._read_key, last)
        return last

    async def _batch(self, store: Store, sent: Sent, raw_id: bytes) -> Batch:
        value = None if sent.value is None else msgspec.convert(sent.value, store.stream.payload)
        record = Record(tuple(sent.key), value, sent.element, time=sent.time)
        partition = store.partition(record.key)
        await store.hold(partition)
        if position(raw_id) <= _carried(store, partition):
            return [], None
        return [record], (partition, POSITION, raw_id.decode())


def _carried(store: Store, partition: str) -> Position:
    return position(store.stored_position(partition, POSITION) or "")


def _readable(fields: Mapping[bytes, bytes]) -> Sent | None:
    try:
        return decode_sent(fields[b"m"])
    except (KeyError, ValueError):  # msgspec's errors are ValueErrors
        MALFORMED.labels("inbox", "message").inc()
        logger.warning("unreadable inbox entry skipped")
        return None
