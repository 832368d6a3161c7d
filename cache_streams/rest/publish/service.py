"""Publish: into the trail first, then into the cache, all entries of a request or none."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from cache_streams.connections import shared_redis
from cache_streams.demo.writes import Command
from cache_streams.metrics import PUBLISHED
from cache_streams.rest.loop import CacheAway, answer
from cache_streams.rest.publish.commands import KINDS, Entry, Write, write_of
from cache_streams.rest.publish.fields import VALUE_BYTES_MAX
from cache_streams.rest.publish.models import KEY_CHARACTERS_MAX, Publication


class WrongKind(Exception):
    """A key of the layout holds something of another Redis type: writing would fail in the middle."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class EntryTooLarge(Exception):
    """The entry at ``place`` has more than ``VALUE_BYTES_MAX`` bytes as it would be stored."""

    def __init__(self, place: int) -> None:
        super().__init__(f"entry {place}")
        self.place = place


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes, with which API key if it was one, by which request."""

    user_id: int
    mail: str
    api_key_id: int | None
    request_id: str


def publish(stream: str, entries: Sequence[Entry], by: Publisher) -> int:
    """Store ``entries`` as collectors would, and return how many.

    Raises: EntryTooLarge, WrongKind (nothing was written), CacheAway (nobody knows whether it was).
    """
    now = time.time()
    writes = [write_of(stream, entry, now) for entry in entries]
    for place, write in enumerate(writes):
        if any(_bytes(command) > VALUE_BYTES_MAX for command in write.commands):
            raise EntryTooLarge(place)
    rows = _note(stream, writes, by)
    try:
        answer(_store([command for write in writes for command in write.commands]))
    except (WrongKind, CacheAway):
        Publication.objects.filter(pk__in=[row.pk for row in rows]).update(failed=True)
        raise
    PUBLISHED.labels(stream).inc(len(writes))
    return len(writes)


async def _store(commands: Sequence[Command]) -> None:
    redis = shared_redis()
    needed = {str(command[1]): KINDS[str(command[0])] for command in commands if command[0] in KINDS}
    async with redis.pipeline(transaction=False) as pipeline:
        for key in needed:
            pipeline.execute_command("TYPE", key)
        kinds = await pipeline.execute()
    for (key, kind), found in zip(needed.items(), kinds, strict=True):
        if found not in (b"none", kind):
            raise WrongKind(key)
    async with redis.pipeline(transaction=True) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        await pipeline.execute()


def _note(stream: str, writes: Sequence[Write], by: Publisher) -> list[Publication]:
    """Add the request's keys to the trail, and drop what is too old in it. Two statements, however many keys."""
    counts = Counter(write.key[:KEY_CHARACTERS_MAX] for write in writes)
    rows = Publication.objects.bulk_create(
        Publication(
            user_id=by.user_id,
            mail=by.mail,
            api_key_id=by.api_key_id,
            stream=stream,
            key=key,
            count=count,
            request_id=by.request_id,
        )
        for key, count in counts.items()
    )
    Publication.objects.filter(pk__lte=rows[-1].pk - settings.PUBLICATIONS_KEPT).delete()
    return rows


def _bytes(command: Command) -> int:
    return sum(len(str(part).encode()) for part in command)
