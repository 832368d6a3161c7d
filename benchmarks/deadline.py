"""Waiting for a condition that this process can only look at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

DEADLINE_S = 10.0
_LOOK_S = 0.02


async def until(condition: Callable[[], bool]) -> None:
    """Return when ``condition`` holds, or after 10 s: the verdicts then say what is missing."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110  # what is awaited is no task of ours
        await asyncio.sleep(_LOOK_S)
