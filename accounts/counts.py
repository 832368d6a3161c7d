"""How often something happened lately, counted in Redis: one count for all workers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.exceptions import RedisError
from redis.retry import Retry

from accounts import metrics

TIMEOUT_S = 0.5
"""A count is not worth a longer wait: who asks for data has the patience of the whole request for them."""
RESTS_S = 1.0
"""After a failure nobody asks for so long, so that a Redis that hangs does not hold every thread for ``TIMEOUT_S``."""

# A window begins with the first count in it. A key without an end (a count that was restored) is given one.
_COUNT = """
local counts = {}
for place, key in ipairs(KEYS) do
    local count = redis.call('INCR', key)
    local left = redis.call('PTTL', key)
    if left < 0 then
        left = tonumber(ARGV[1])
        redis.call('PEXPIRE', key, left)
    end
    counts[place] = {count, left}
end
return counts
"""

logger = structlog.get_logger(__name__)


class CountsUnavailable(Exception):
    """Redis is away: nobody knows how often."""


@dataclass(frozen=True, slots=True)
class Count:
    """``count`` times, this time included, in a window that ends in ``ends_in_s``."""

    count: int
    ends_in_s: float


class Counts:
    """The counts below ``GW_PREFIX`` of the configured Redis; safe to share between threads."""

    def __init__(self) -> None:
        self._rests_until = 0.0

    def add(self, names: Sequence[str], window_s: int) -> list[Count]:
        """Count once under each of ``names``, in one round trip, and return the counts. Raises: CountsUnavailable.

        Names reach Redis as they are: whoever counts something private hashes it before.
        """
        if time.monotonic() < self._rests_until:
            raise CountsUnavailable
        keys = [
            f"{settings.GW_PREFIX}:{{counts}}:{name}" for name in names
        ]  # {}: one slot of a Cluster for all
        try:
            replies = _script(settings.REDIS_URL)(keys, [window_s * 1000])
        except (RedisError, OSError) as error:
            self._rests_until = time.monotonic() + RESTS_S
            metrics.COUNTS_LOST.inc()
            logger.warning("requests not counted", error=type(error).__name__)
            raise CountsUnavailable from error
        return [Count(count, left_ms / 1000) for count, left_ms in replies]


COUNTS = Counts()
"""Those of this process."""


@lru_cache(maxsize=2)  # one, but for tests that name another Redis
def _script(url: str) -> Script:
    client = settings.REDIS_CLIENT(
        url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
    )
    return client.register_script(_COUNT)
