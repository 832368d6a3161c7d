"""How often one user may ask about agent runs."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from rest_framework.request import Request

from accounts.limits import Limit
from accounts.request_throttles import RequestThrottle


class AgentThrottle(RequestThrottle):
    """A limit of its own instead of the ordinary ones: producers publish every event of their users' agents."""

    def limits(self, request: Request) -> Sequence[Limit]:
        """Return the one limit."""
        return [Limit("agents", str(request.user.pk), settings.AGENTS_REQUESTS_PER_MINUTE)]
