"""Listening: what Redis says by itself on a connection, which is pinged each second and given up when nothing comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

PING_S = 1.0
SILENCE_S = 3.0
"""A connection that answers no PING for so long is dead, whatever TCP says."""


class SilentError(RedisError):
    """The connection answers no PING: a partition that TCP has not noticed."""


async def replies(
    connection: AbstractConnection, *, pushes: bool = False
) -> AsyncIterator[Any]:  # Any: whatever redis-py makes of a reply
    """Yield whatever comes, answers to PING included; ``pushes``: RESP3 pushes are handed to the parser's own handlers.

    Raises: SilentError, ``redis.RedisError``.
    """
    loop = asyncio.get_running_loop()
    heard = pinged = loop.time()
    while True:
        if loop.time() - pinged >= PING_S:
            await connection.send_command("PING", check_health=False)
            pinged = loop.time()
        reply = await connection.read_response(timeout=PING_S, push_request=pushes, disconnect_on_error=False)
        if reply is not None:
            heard = loop.time()
            yield reply
        elif loop.time() - heard > SILENCE_S:
            raise SilentError
