"""The archive of the stream ``agents``: stored events, as the relay and the sockets read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

import msgspec
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import Error as DatabaseError

from cache_streams.agents import selectors
from cache_streams.agents.appending import rename_log
from cache_streams.archive import ArchiveUnavailable, Shelf
from cache_streams.streams.agents import key_of, record_of
from cache_streams.streams.declaration import SNAPSHOT_TAIL, Key, Record

Answer = TypeVar("Answer")


class _Named(msgspec.Struct):
    """What makes an event this one."""

    event_id: str


class AgentArchive:
    """Implements ``cache_streams.archive.Archive``."""

    @property
    def keeps_s(self) -> float:
        """How long events are kept at most, but for those of open runs."""
        return float(settings.AGENTS_RETENTION_S)

    async def page(self, key: Key, after: int) -> list[Record]:
        """Return one user's events with a greater cursor."""
        return await _asked(lambda: _page(key, after))

    async def pages(self, after: Mapping[Key, int | None]) -> list[Record]:
        """Return a page of each user's events, in one trip to the database's thread."""
        return await _asked(
            lambda: [record for key, cursor in after.items() for record in _page(key, cursor)]
        )

    async def grown(self, since: datetime) -> Mapping[Key, int]:
        """Return the users whose logs were touched since, or shortly before."""
        logs = await _asked(lambda: selectors.users_with_news(since))
        return {key_of(log.user_id): log.last for log in logs}

    async def shelf(self, key: Key) -> Shelf | None:
        """Return where one user's log stands."""
        log = await _asked(lambda: selectors.standing(int(key[0])))
        return None if log is None else Shelf(log.log_id, log.floor, log.last)

    async def rename(self, key: Key) -> None:
        """Give one user's log a new id."""
        await _asked(lambda: rename_log(int(key[0])))

    def tells(self, data: bytes, record: Record) -> bool:
        """Return whether both are the same event."""
        named = msgspec.convert(record.value, _Named, from_attributes=True)
        return msgspec.json.decode(data, type=_Named).event_id == named.event_id


async def _asked(ask: Callable[[], Answer]) -> Answer:
    try:
        return await database_sync_to_async(ask)()
    except DatabaseError as error:
        raise ArchiveUnavailable from error


def _page(key: Key, after: int | None) -> list[Record]:
    user_id = int(key[0])
    if after is None:
        log = selectors.standing(user_id)
        after = 0 if log is None else max(log.floor, log.last - SNAPSHOT_TAIL)
    return [record_of(event) for event in selectors.events_after(user_id, after)]
