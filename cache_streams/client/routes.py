"""Which subscription an update belongs to: frames name a key, subscriptions name keys or patterns."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Follower = TypeVar("Follower", bound=Hashable)


class Routes(Generic[Follower]):
    """Followers by stream and pattern; a pattern is a key, or one with ``*`` in it."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], set[Follower]] = {}
        self._open: dict[tuple[str, str], set[Follower]] = {}

    def add(self, stream: str, pattern: str, follower: Follower) -> None:
        """Let somebody follow a pattern."""
        self._table(pattern).setdefault((stream, pattern), set()).add(follower)

    def remove(self, follower: Follower) -> None:
        """Let somebody follow nothing any more."""
        for table in (self._exact, self._open):
            for name in [name for name, followers in table.items() if follower in followers]:
                table[name].discard(follower)
                if not table[name]:
                    del table[name]

    def named(self, stream: str, pattern: str) -> tuple[Follower, ...]:
        """Return who follows exactly this text."""
        return tuple(self._table(pattern).get((stream, pattern), ()))

    def of(self, stream: str, key: str) -> Iterator[tuple[Follower, str]]:
        """Yield whoever an update of ``key`` belongs to, each once, with the pattern by which it does."""
        told: set[Follower] = set()
        found = [(key, self._exact.get((stream, key), set()))]
        found += [
            (pattern, followers)
            for (name, pattern), followers in self._open.items()
            if name == stream and matches(pattern, key)
        ]
        for pattern, followers in found:
            for follower in followers - told:
                told.add(follower)
                yield follower, pattern

    def _table(self, pattern: str) -> dict[tuple[str, str], set[Follower]]:
        return self._open if "*" in pattern else self._exact


def matches(pattern: str, key: str) -> bool:
    """Return whether a key is one of a pattern's: its ``*`` stands for one or more characters."""
    before, _, after = pattern.partition("*")
    return len(key) > len(before) + len(after) and key.startswith(before) and key.endswith(after)
