"""An archive: rows behind the log of a stream, numbered by who wrote them; they outlast the log, and Redis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cache_streams.streams.declaration import Key, Record


class ArchiveUnavailable(Exception):
    """The rows cannot be read now; they are not lost."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the rows of one key stand: ``floor`` + 1 to ``last`` are stored. ``name`` is another once numbers mean others."""

    name: str
    floor: int
    last: int


class Archive(Protocol):
    """Rows of one stream: of each key the numbers rise by one, and become visible in that order.

    Every asynchronous method raises ArchiveUnavailable.
    """

    @property
    def keeps_s(self) -> float:
        """No row is kept for longer."""

    async def page(self, key: Key, after: int) -> list[Record]:
        """Return the records of a key with greater numbers, oldest first, as many as one step may hold; [] for none."""

    async def pages(self, after: Mapping[Key, int | None]) -> list[Record]:
        """Return a page of each key, as ``page``; None stands for the place before the newest that a snapshot holds."""

    async def grown(self, since: datetime) -> Mapping[Key, int]:
        """Return the keys that may have grown since, each with its newest number; some did not."""

    async def shelf(self, key: Key) -> Shelf | None:
        """Return where a key stands; None where it has no rows and never had any."""

    async def rename(self, key: Key) -> None:
        """Give the shelf of a key a name that it never had: what was told under its numbers is not what they hold."""

    def tells(self, data: bytes, record: Record) -> bool:
        """Return whether a log's entry is this record, however either was put down."""
