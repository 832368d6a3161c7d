"""What stands in Redis outside the gateway's own keys: taken before and after, it must be the same."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import redis

OWN_PREFIX = b"gw:"
_EXPIRY_TOLERANCE_S = 0.1
_NO_EXPIRY = -1


@dataclass(frozen=True, slots=True)
class Stored:
    """One key: its DUMP, and when it expires (Unix seconds), None for never."""

    dump: bytes
    expires: float | None

    def is_like(self, other: Stored | None) -> bool:
        """Return whether value and expiry are the same; expiries are read with the time that the reading takes."""
        if other is None or other.dump != self.dump or (other.expires is None) != (self.expires is None):
            return False
        return abs((self.expires or 0.0) - (other.expires or 0.0)) <= _EXPIRY_TOLERANCE_S


Picture = dict[bytes, Stored]


def picture(client: redis.Redis, *, without: Iterable[str]) -> Picture:
    """Return every key but the gateway's own and ``without``."""
    left_out = {key.encode() for key in without}
    keys = [
        key for key in client.scan_iter(count=1000) if not key.startswith(OWN_PREFIX) and key not in left_out
    ]
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.dump(key)
        pipeline.pttl(key)
    replies = pipeline.execute()
    now = time.time()
    return {
        key: Stored(dump, None if ttl_ms == _NO_EXPIRY else now + ttl_ms / 1000)
        for key, dump, ttl_ms in zip(keys, replies[::2], replies[1::2], strict=True)
    }


def changes(before: Mapping[bytes, Stored], after: Mapping[bytes, Stored]) -> set[str]:
    """Return the keys that appeared, vanished, or differ in value or expiry."""
    return {
        key.decode(errors="replace")
        for key in before.keys() | after.keys()
        if key not in before or not before[key].is_like(after.get(key))
    }
