"""What keys hold now, out of the logs: newest values, with the place in the log at which they held."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from django.conf import settings

from cache_streams.connections import ask, shared_redis
from cache_streams.log_names import LogName, key_text, lease_key, logs_key, partition_of, read_key
from cache_streams.places import Cursor, cursor_text, position
from cache_streams.rest.loop import CacheAway
from cache_streams.streams.declaration import SNAPSHOT_TAIL, Key, Kind, Stream
from cache_streams.streams.update import KeySnapshot, Update

KEYS_AT_ONCE = 32
PAGE_BYTES = 4_194_304
"""A page ends at the key with which it reaches this size."""
_SEQ = b"s:"

_update: msgspec.msgpack.Decoder[Update] = msgspec.msgpack.Decoder(Update)
_key: msgspec.json.Decoder[Key] = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Held:
    """State of one key; ``rest_after`` is the element after which a collection that was cut goes on."""

    state: KeySnapshot
    epoch: str
    rest_after: str | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """Which elements of a collection are told: up to ``limit`` after ``after``, by the bytes of their ids."""

    limit: int
    after: str | None = None


async def is_live() -> bool:
    """Return whether a relay leads. Raises: CacheAway while none has read the cache into this Redis, ``redis.RedisError``."""
    prefix = settings.GW_PREFIX
    lease, read = await ask(shared_redis(), "MGET", lease_key(prefix), read_key(prefix))
    if read is None:
        raise CacheAway("The cache has not been read yet; try again.")
    return lease is not None


async def key_state(stream: Stream, key: Key, elements: Slice) -> Held:
    """Return the state of one key, of ``seq`` 0 when it never held anything. Raises ``redis.RedisError``."""
    (held,) = await _read(stream, _partition(stream, key), [key], elements)
    return held


async def keys_under(stream: Stream, beginnings: Sequence[Key]) -> list[Key]:
    """Return every key that begins like one of ``beginnings``, in order; whole keys as they are given.

    Raises ``redis.RedisError``.
    """
    whole = {under for under in beginnings if len(under) == len(stream.key_fields)}
    found = set(whole)
    open_ones = [under for under in beginnings if under not in whole]
    if open_ones:
        for partition in await _partitions(stream, open_ones):
            names = await _names(stream, partition)
            found.update(key for key in names if any(key[: len(under)] == under for under in open_ones))
    return sorted(found)


async def page(stream: Stream, keys: Iterable[Key], elements: Slice) -> list[Held]:
    """Return the states of ``keys`` in their order, up to ``PAGE_BYTES``: at least one. Raises ``redis.RedisError``."""
    told: list[Held] = []
    size = 0
    wanted = iter(keys)
    while size < PAGE_BYTES and (chunk := list(itertools.islice(wanted, KEYS_AT_ONCE))):
        held = await _states(stream, chunk, elements)
        for each in held:
            if size >= PAGE_BYTES:
                break
            told.append(each)
            size += sum(len(update.data) for update in each.state.updates)
    return told


async def _states(stream: Stream, keys: Sequence[Key], elements: Slice) -> list[Held]:
    by_partition: dict[str, list[Key]] = {}
    for key in keys:
        by_partition.setdefault(_partition(stream, key), []).append(key)
    held = {
        each.state.key: each
        for partition, own in by_partition.items()
        for each in await _read(stream, partition, own, elements)
    }
    return [held[key] for key in keys]


async def _read(stream: Stream, partition: str, keys: Sequence[Key], elements: Slice) -> list[Held]:
    """Return the states of keys of one log, all as they were at one place of it."""
    name = LogName(stream.name, partition, settings.GW_PREFIX)
    texts = [key_text(key) for key in keys]
    chosen = await _chosen(name, texts, elements) if stream.kind is Kind.COLLECTION else {}
    async with shared_redis().pipeline(transaction=True) as pipeline:
        pipeline.execute_command("HMGET", name.pos, "epoch", "id", *(_SEQ + text.encode() for text in texts))
        if stream.kind is Kind.VALUE:
            pipeline.execute_command("HMGET", name.last, *texts)
        for text in texts if stream.kind is not Kind.VALUE else ():
            if stream.kind is Kind.TAIL:
                pipeline.execute_command("LRANGE", name.last_of(text), -SNAPSHOT_TAIL, -1)
            elif text in chosen:
                pipeline.execute_command("HMGET", name.last_of(text), *chosen[text].fields)
            else:
                pipeline.execute_command("HVALS", name.last_of(text))
        (epoch, last_id, *seqs), *replies = await pipeline.execute()
    blobs = [[blob] for blob in replies[0]] if stream.kind is Kind.VALUE else replies
    cursor = cursor_text(Cursor(epoch.decode(), position(last_id or b""))) if epoch else ""
    return [
        Held(
            _snapshot(key, seq, rows, cursor),
            epoch.decode() if epoch else "",
            chosen[text].rest_after if text in chosen else None,
        )
        for key, text, seq, rows in zip(keys, texts, seqs, blobs, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Chosen:
    fields: list[bytes]
    rest_after: str | None


async def _chosen(name: LogName, texts: Sequence[str], elements: Slice) -> Mapping[str, _Chosen]:
    """Return which elements are told of each collection that is not told as a whole."""
    redis = shared_redis()
    async with redis.pipeline(transaction=False) as pipeline:
        for text in texts:
            pipeline.execute_command("HLEN", name.last_of(text))
        sizes = await pipeline.execute()
    chosen = {}
    for text, size in zip(texts, sizes, strict=True):
        if size <= elements.limit and elements.after is None:
            continue
        fields: list[bytes] = sorted(await ask(redis, "HKEYS", name.last_of(text)))
        first = 0 if elements.after is None else bisect.bisect_right(fields, elements.after.encode())
        told = fields[first : first + elements.limit]
        more = first + elements.limit < len(fields)
        # One field more than there is: HMGET wants one, and an id is never empty.
        chosen[text] = _Chosen(told or [b""], told[-1].decode() if more else None)
    return chosen


def _snapshot(key: Key, seq: bytes | None, rows: Iterable[bytes | None], cursor: str) -> KeySnapshot:
    held = sorted((_update.decode(row) for row in rows if row is not None), key=lambda update: update.seq)
    at = int(seq) if seq else held[-1].seq if held else 0
    return KeySnapshot(key, at, tuple(update for update in held if not update.deleted), cursor)


def _partition(stream: Stream, key: Key) -> str:
    return partition_of(stream, key, settings.LOG_SHARDS)


async def _partitions(stream: Stream, beginnings: Sequence[Key]) -> list[str]:
    """Return the partitions of the logs that there are and that keys with these beginnings can stand in."""
    members = await ask(shared_redis(), "SMEMBERS", logs_key(settings.GW_PREFIX))
    listed = (member.decode().split("\n", 1) for member in members)
    there = {partition for name, partition in listed if name == stream.name}
    place = None if stream.partition is None else stream.key_fields.index(stream.partition)
    if place is not None and all(place < len(under) for under in beginnings):
        there &= {under[place] for under in beginnings}
    return sorted(there)


async def _names(stream: Stream, partition: str) -> list[Key]:
    name = LogName(stream.name, partition, settings.GW_PREFIX)
    if stream.kind is Kind.VALUE:
        return [_key.decode(field) for field in await ask(shared_redis(), "HKEYS", name.last)]
    fields = await ask(shared_redis(), "HKEYS", name.pos)
    return [_key.decode(field[len(_SEQ) :]) for field in fields if field.startswith(_SEQ)]
