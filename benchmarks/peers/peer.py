"""What is known of a peer: its name, what it lacks here, and how it starts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks.servers import Places, Server


@dataclass(frozen=True, slots=True)
class Peer:
    """``missing`` says what is not installed, None if nothing; ``start`` runs it. Raises: NotStartedError."""

    name: str
    missing: Callable[[], str | None]
    start: Callable[[Places], AbstractContextManager[Server]]
