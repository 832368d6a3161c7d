"""Requests that name more than one frame holds: asked in parts, each with the cursors of its own keys. Knows no socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias

Body: TypeAlias = Mapping[str, Any]  # Any: JSON of a request

ROOM_BYTES = 64
"""Of a frame, for the number that the request is sent with."""


class Parts:
    """The parts of one request; ``asked`` returns it when its turn to be sent has come."""

    def __init__(self, asked: Callable[[], Body], frame_bytes: int) -> None:
        self._asked, self._frame_bytes = asked, frame_bytes
        self._left: list[Body] = []

    @property
    def more(self) -> bool:
        """Whether a part is left to be asked."""
        return bool(self._left)

    def first(self) -> Body:
        """Begin."""
        self._left = split(self._asked(), self._frame_bytes)
        return self._left.pop(0)

    def following(self) -> Body:
        """Go on. Raises: IndexError unless there are ``more``."""
        return self._left.pop(0)


def split(body: Body, frame_bytes: int) -> list[Body]:
    """Return requests that together name what ``body`` does, each within a frame where its lists can be divided.

    A replay stays whole: it has one order over all its keys.
    """
    if len(json.dumps(body)) + ROOM_BYTES <= frame_bytes or "replay" in body:
        return [body]
    lists = {name: value for name, value in body.items() if isinstance(value, list | tuple)}
    name = max(lists, key=lambda each: len(lists[each]), default=None)
    if name is None or len(lists[name]) == 1:
        return [body]
    middle = len(lists[name]) // 2
    halves = lists[name][:middle], lists[name][middle:]
    return [part for half in halves for part in split(_part(body, name, half), frame_bytes)]


def longest(body: Body) -> str:
    """Return the field of a request that takes most of its frame."""
    return max(body, key=lambda name: len(json.dumps(body[name])))


def _part(body: Body, name: str, half: Sequence[str]) -> Body:
    part = {**body, name: half}
    if isinstance(body.get("since"), Mapping):
        others = set(body[name]) - set(half)
        part["since"] = {
            text: cursor
            for text, cursor in body["since"].items()
            if _names(text, half) or not _names(text, others)  # of a pattern, a log: whose it is, nobody says
        }
        if not part["since"]:
            del part["since"]
    return part


def _names(text: str, values: Collection[str]) -> bool:
    """Whether one of ``values`` is a field of the key that frames call ``text``; fields may hold colons."""
    words, wanted = text.split(":"), set(values)
    return any(":".join(words[at:end]) in wanted for at, end in combinations(range(len(words) + 1), 2))
