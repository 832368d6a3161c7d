"""An orderly end of a worker: every socket is told and closed with its family's code, a few at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from cache_streams.sessions import Sessions

SPREAD_S = 2.0
"""Over so long the closes of many sockets are spread, so that their reconnects do not arrive together."""
STEP_S = 0.05
AT_ONCE = 25
"""Sockets closed in one step at least: a handful need not wait."""
GONE_S = 15.0
"""A socket that is not gone by then is left to the server, which cuts it."""


async def drain(sessions: Sessions) -> None:
    """Close every open socket; return when they are gone, or after ``SPREAD_S`` + ``GONE_S``."""
    everyone = sessions.everyone()
    at_once = max(AT_ONCE, round(len(everyone) * STEP_S / SPREAD_S))
    for start in range(0, len(everyone), at_once):
        for session in everyone[start : start + at_once]:
            session.drain()
        await asyncio.sleep(STEP_S)
    with suppress(TimeoutError):
        async with asyncio.timeout(GONE_S):
            await sessions.empty.wait()
    await sessions.census.leave()
