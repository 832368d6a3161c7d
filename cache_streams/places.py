"""Places in a log: positions, which are ordered, and cursors, which also say in which contents."""

from __future__ import annotations

from typing import NamedTuple, NewType

Position = NewType("Position", tuple[int, int])
"""Id of a log entry; ordered."""


START = Position((0, 0))


class Cursor(NamedTuple):
    """A place in a log's contents: ordered within an epoch, meaningless in another; valid in every process."""

    epoch: str
    position: Position


CURSOR_LENGTH = 80


def position(raw: bytes | str) -> Position:
    """Parse a Redis Stream id; an empty one is the start."""
    if not raw:
        return START
    text = raw.decode() if isinstance(raw, bytes) else raw
    milliseconds, _, number = text.partition("-")
    return Position((int(milliseconds), int(number or 0)))


def cursor_text(cursor: Cursor) -> str:
    """Return a cursor as clients are told it: ``aZ3.1795221446140-0``."""
    return f"{cursor.epoch}.{entry_id(cursor.position)}"


def parse_cursor(text: str) -> Cursor:
    """Read what ``cursor_text`` made. Raises: ValueError."""
    epoch, dot, raw = text.rpartition(".")
    milliseconds, dash, number = raw.partition("-")
    if (
        not (dot and dash and epoch and milliseconds.isdecimal() and number.isdecimal())
        or len(text) > CURSOR_LENGTH
    ):
        raise ValueError("not a cursor")
    return Cursor(epoch, Position((int(milliseconds), int(number))))


def entry_id(at: Position) -> str:
    """Return the Redis Stream id of ``at``."""
    return f"{at[0]}-{at[1]}"
