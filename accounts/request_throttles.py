"""Limits of ordinary requests, as DRF asks for them: views name the throttle, ``limits`` counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.limits import Limit, limits_of, spend

if TYPE_CHECKING:  # DRF's views read the settings that name this module
    from rest_framework.views import APIView


class RequestThrottle(BaseThrottle):
    """So many requests per minute of one user, and of one address."""

    _wait_s: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Return whether every limit has room."""
        left = spend(request._request, self.limits(request))  # noqa: SLF001  # the request that middleware sees, too
        self._wait_s = None if left is None else left.resets_in_s
        return left is None or left.over is None

    def wait(self) -> float | None:
        """Return the seconds until the window ends."""
        return self._wait_s

    def limits(self, request: Request) -> Sequence[Limit]:
        """Return the limits under which a request counts."""
        return limits_of(request.user.pk, request._request)  # noqa: SLF001  # as above


class TicketThrottle(RequestThrottle):
    """Besides: so many tickets per minute of one user."""

    def limits(self, request: Request) -> Sequence[Limit]:
        """Return those of every request and that of tickets."""
        tickets = Limit("tickets", str(request.user.pk), settings.TICKETS_PER_MINUTE)
        return [*super().limits(request), *([tickets] if tickets.most else [])]
