"""News from Django's own threads: to every worker that a user changed, to the relay that a stream has new rows."""

from __future__ import annotations

import time
from functools import lru_cache

import structlog
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from cache_streams.log import CONTROL_ENTRIES
from cache_streams.log_names import control_key
from cache_streams.metrics import NEWS_LOST

EVERYBODY = "*"
TIMEOUT_S = 0.5
SILENT_AFTER_FAILURE_S = 1.0
NOTICE_ENTRIES = 10_000
"""Notices are hints: what a relay has not read of them by then, its look finds."""

logger = structlog.get_logger(__name__)
_failed_at: dict[str, float] = {}


def announce_user(user_id: int | None) -> None:
    """Tell every worker to read a user again, or everybody (None). Without Redis the workers' own look, each 30 s, finds out."""
    subject = EVERYBODY if user_id is None else str(user_id)
    try:
        with settings.REDIS_CLIENT(
            settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        ) as client:
            client.xadd(control_key(settings.GW_PREFIX), {"user": subject}, maxlen=CONTROL_ENTRIES)
    except (RedisError, OSError) as error:
        NEWS_LOST.inc()
        logger.warning("news of a user not sent", user_id=user_id, error=type(error).__name__)


def announce_row(notices: str, name: str, number: int) -> None:
    """Tell the relay that the rows of ``name`` now reach ``number``. It looks each second besides.

    ``notices`` as declared by the stream (``Rows``). After a failure nothing is tried for a second, so that a Redis that
    is away does not slow down every append.
    """
    url = settings.REDIS_URL
    if time.monotonic() - _failed_at.get(url, -SILENT_AFTER_FAILURE_S) < SILENT_AFTER_FAILURE_S:
        NEWS_LOST.inc()
        return
    try:
        _client(url).xadd(
            f"{settings.GW_PREFIX}:{notices}", {name: str(number)}, maxlen=NOTICE_ENTRIES, approximate=True
        )
    except (RedisError, OSError) as error:
        _failed_at[url] = time.monotonic()
        NEWS_LOST.inc()
        logger.warning("news of a row not sent", error=type(error).__name__)


@lru_cache(maxsize=2)
def _client(url: str) -> Redis:
    """Return the process' client for news that come often; one retry, which finds a restarted Redis."""
    return settings.REDIS_CLIENT(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),
    )
