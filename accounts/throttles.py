"""How often somebody may try to log in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView


class LoginThrottle(SimpleRateThrottle):
    """Counts attempts per address and account; a success forgets them, so that only guessing is slowed.

    The count lives in Django's cache: per process unless ``CACHES`` names a shared one.
    """

    scope = "login"

    def get_rate(self) -> str:
        """Return the limit as DRF writes it."""
        return f"{settings.LOGIN_ATTEMPTS_PER_MINUTE}/min"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        """Return a key of fixed length that shows neither address nor account."""
        form = request.data if isinstance(request.data, Mapping) else {}
        account = form.get("username") or form.get("mail") or ""
        who = f"{self.get_ident(request)}\n{str(account).strip().lower()}"
        return f"login:{hashlib.sha256(who.encode(errors='replace')).hexdigest()}"

    def forget(self, request: Request, view: APIView) -> None:
        """Start counting anew after a success."""
        self.cache.delete(self.get_cache_key(request, view))
