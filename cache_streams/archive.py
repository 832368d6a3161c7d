"""An archive: rows behind the log of a stream, numbered by who wrote them; they outlast the log, and Redis."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from cache_streams.streams.declaration import Key, Record


class ArchiveUnavailable(Exception):
    """The rows cannot be read now; they are not lost."""


class Archive(Protocol):
    """Rows of one stream: of each key the numbers rise by one, and become visible in that order.

    Every method raises ArchiveUnavailable.
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
