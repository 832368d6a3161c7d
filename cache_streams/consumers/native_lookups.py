"""What a native socket can ask beside the state of keys: which partitions a stream has, and bars of the past."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from cache_streams.connections import shared_redis
from cache_streams.log_names import logs_key
from cache_streams.protocol.native.errors import Refused, invalid
from cache_streams.sources import cache
from cache_streams.streams.declaration import Key, Stream
from cache_streams.streams.ohlcv import OHLCV, Bar

CACHE_RETRY_MS = 1_000


async def partitions_of(stream: Stream) -> list[str]:
    """Return the partitions that have a log, in alphabetical order. Raises: Refused, ``redis.RedisError``."""
    check_partitioned(stream)
    logs: set[bytes] = await shared_redis().smembers(logs_key(settings.GW_PREFIX))  # type: ignore[misc]  # redis-py types one signature for both of its clients
    named = (log.decode(errors="replace").partition("\n") for log in logs)
    return sorted(partition for name, _, partition in named if name == stream.name)


def check_partitioned(stream: Stream) -> None:
    """Raise Refused if a stream has no partitions that could be named."""
    if stream.partition is None:
        raise invalid("stream", f"{stream.name} has no partitions; its keys are found with '*'")


def check_history(stream: Stream, keys: Sequence[Key | None]) -> None:
    """Raise Refused unless bars of the past can be told for these keys, each None where more than one is meant."""
    if stream is not OHLCV:
        raise invalid("history", f"stream {stream.name!r} keeps none; {OHLCV.name} does")
    if None in keys:
        raise invalid("history", "is told for whole keys, not for '*'")


async def bars_before(key: Key, count: int) -> list[Bar]:
    """Return the newest ``count`` bars of one key as the cache holds them, oldest first. Raises: Refused."""
    symbol, timeframe = key
    try:
        records = await cache.bars(symbol, timeframe, count)
    except cache.CacheUnavailable:
        raise Refused(
            "CACHE_UNAVAILABLE", "the cache does not answer", retry_after_ms=CACHE_RETRY_MS
        ) from None
    return [record.value for record in records if isinstance(record.value, Bar)]
