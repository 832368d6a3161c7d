"""How often one user may ask about agent runs."""

from __future__ import annotations

import time

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

WINDOW_S = 60


class AgentThrottle(BaseThrottle):
    """Counts a user's requests per minute of the clock, at one step per request whatever the limit.

    The count lives in Django's cache: per process unless ``CACHES`` names a shared one.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Return whether the minute has room."""
        key = f"agents:{request.user.pk}:{int(time.time()) // WINDOW_S}"
        cache.add(key, 0, timeout=2 * WINDOW_S)
        try:
            return cache.incr(key) <= settings.AGENTS_REQUESTS_PER_MINUTE
        except ValueError:  # the cache was full and dropped it: nobody is locked out for that
            return True

    def wait(self) -> float:
        """Return the seconds until the next minute begins."""
        return WINDOW_S - time.time() % WINDOW_S
