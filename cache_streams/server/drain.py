"""An orderly end of a worker: who can be told so leaves in time, everybody else is closed with their family's code."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from cache_streams.endings import loop_endings
from cache_streams.sessions import Session, Sessions

RECONNECT_SHARE = 0.5
"""Part of the announced time over which clients are asked to spread their reconnects."""
SPREAD_S = 2.0
"""Over so long the closes of many sockets are spread, so that their reconnects do not arrive together."""
STEP_S = 0.05
AT_ONCE = 25
"""Sockets closed in one step at least: a handful need not wait."""
GONE_S = 15.0
"""A socket that is not gone by then is left to the server, which cuts it."""
FLUSH_S = 0.5
"""How long a stopping worker waits for Redis to keep how its last sockets ended."""


async def drain(sessions: Sessions, announced_s: float, ends_at: float) -> None:
    """Close every open socket; return when they are gone, or ``GONE_S`` later, at ``ends_at`` (loop's clock) in any case.

    Sockets whose family can say so are told first, and served for ``announced_s`` more; ``ends_at`` lies after that.
    """
    told: list[Session] = []
    others: list[Session] = []
    for session in sessions.everyone():
        knows = session.announce_end(announced_s * RECONNECT_SHARE, announced_s)
        (told if knows else others).append(session)
    await asyncio.gather(_close(others), _let_go(sessions, told, announced_s))
    await _close(sessions.everyone())
    with suppress(TimeoutError):
        async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + GONE_S, ends_at)):
            await sessions.empty.wait()
    await sessions.leave_censuses()
    await loop_endings().flush(FLUSH_S)


async def _let_go(sessions: Sessions, told: Sequence[Session], announced_s: float) -> None:
    """Wait until those who were told have left, or their time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + announced_s
    left = set(told)
    while left and loop.time() < deadline:
        await asyncio.sleep(STEP_S)
        left &= set(sessions.everyone())


async def _close(everyone: Sequence[Session]) -> None:
    at_once = max(AT_ONCE, round(len(everyone) * STEP_S / SPREAD_S))
    for start in range(0, len(everyone), at_once):
        for session in everyone[start : start + at_once]:
            session.drain()
        await asyncio.sleep(STEP_S)
