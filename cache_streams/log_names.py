"""Names of logs: which partition a key belongs to, and what Redis keys hold it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from cache_streams.protocol.groups import log_tag, shard_of
from cache_streams.streams.declaration import Key, Stream


@dataclass(frozen=True, slots=True)
class LogName:
    """Names one log; ``tag`` is legal and injective, and what its three Redis keys share."""

    stream: str
    partition: str
    prefix: str

    @property
    def _base(self) -> str:
        return f"{self.prefix}:{{{log_tag(self.stream, self.partition)}}}"

    @property
    def log(self) -> str:
        return f"{self._base}:log"

    @property
    def pos(self) -> str:
        return f"{self._base}:pos"

    @property
    def last(self) -> str:
        return f"{self._base}:last"

    def last_of(self, text: str) -> str:
        """Return the Redis key of what one key of a collection or a tail holds; ``text`` as ``key_text`` makes it."""
        return f"{self.last}:{text}"


def logs_key(prefix: str) -> str:
    """Return the Redis set that names every log: members are stream and partition, a line each."""
    return f"{prefix}:logs"


def lease_key(prefix: str) -> str:
    """Return the Redis key that exists while a relay leads."""
    return f"{prefix}:{{relay}}:lease"


def read_key(prefix: str) -> str:
    """Return the Redis key that says, once set, that a relay has read the whole cache into the logs of this Redis."""
    return f"{prefix}:{{relay}}:read"


def control_key(prefix: str) -> str:
    """Return the Redis Stream that every reader reads besides: fields name a kind of news (``log``, ``user``) and whose."""
    return f"{prefix}:control"


def inbox_key(prefix: str) -> str:
    """Return the Redis Stream that ``group_send`` to a log-backed group appends to."""
    return f"{prefix}:inbox"


def retention_key(prefix: str) -> str:
    """Return the Redis hash in which the leading relay tells, by stream, what the logs hold."""
    return f"{prefix}:retention"


_KEY_ENCODER = msgspec.json.Encoder()


def partition_of(stream: Stream, key: Key, shards: int) -> str:
    """Return the partition of ``key``: the value of the declared field, or a shard number."""
    if stream.partition is not None:
        return key[stream.key_fields.index(stream.partition)]
    return shard_of(key_text(key), shards)


def key_text(key: Key) -> str:
    """Return ``key`` as the text that names it inside a log's own Redis values."""
    return _KEY_ENCODER.encode(key).decode()
