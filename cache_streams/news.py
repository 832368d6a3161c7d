"""News from Django's own threads to every worker: a user changed."""

from __future__ import annotations

import structlog
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from cache_streams.log import CONTROL_ENTRIES, control_key
from cache_streams.metrics import NEWS_LOST

TIMEOUT_S = 0.5

logger = structlog.get_logger(__name__)


def announce_user(user_id: int) -> None:
    """Tell every worker to read a user again. Without Redis the workers' own look, each 30 s, will find out."""
    try:
        with Redis.from_url(
            settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        ) as client:
            client.xadd(control_key(settings.GW_PREFIX), {"user": str(user_id)}, maxlen=CONTROL_ENTRIES)
    except (RedisError, OSError) as error:
        NEWS_LOST.inc()
        logger.warning("news of a user not sent", user_id=user_id, error=type(error).__name__)
