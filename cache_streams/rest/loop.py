"""From a view's thread to Redis: one event loop per process, whose connections are kept."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog
from redis.exceptions import RedisError
from rest_framework.exceptions import APIException

from cache_streams.connections import close_shared_redis
from cache_streams.sources.cache import CacheUnavailable

DEADLINE_S = 4.0
"""Longest wait of a request for Redis; single commands are given up after 2 s."""

Answer = TypeVar("Answer")
logger = structlog.get_logger(__name__)
_starting = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []


class CacheAway(APIException):
    """Redis does not answer, or no relay has read the cache: that must not look like a cache that holds nothing."""

    status_code = 503
    default_detail = "The cache does not answer; try again."
    error_code = "CACHE_UNAVAILABLE"


def answer(question: Coroutine[Any, Any, Answer]) -> Answer:
    """Return what ``question`` finds; for threads without an event loop of their own. Raises: CacheAway."""
    future = asyncio.run_coroutine_threadsafe(question, _loop())
    try:
        return future.result(DEADLINE_S)
    except (RedisError, OSError, CacheUnavailable) as fault:  # a deadline that passed is an OSError, too
        future.cancel()
        logger.info("request met no Redis", error=type(fault).__name__)
        raise CacheAway from None


def _loop() -> asyncio.AbstractEventLoop:
    with _starting:
        if not _loops:
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="rest", daemon=True)
            thread.start()
            atexit.register(_end, loop, thread)
            _loops.append(loop)
        return _loops[0]


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    asyncio.run_coroutine_threadsafe(close_shared_redis(), loop).result(DEADLINE_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(DEADLINE_S)
    loop.close()
