"""``GET /metrics``: the numbers of every process of this machine, for those who were named in the settings."""

from __future__ import annotations

import ipaddress
import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from prometheus_client.exposition import choose_encoder
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from cache_streams.scraping import everything
from cache_streams.views import PublicView


class MetricsView(PublicView):
    """For ``METRICS_TOKEN`` and ``METRICS_ADDRESSES``; with neither, for nobody."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """Answer every metric, labelled with its process, as Prometheus or OpenMetrics text."""
        if not may_read(request):
            raise PermissionDenied("Metrics are for METRICS_TOKEN and METRICS_ADDRESSES.")
        encode, content_type = choose_encoder(request.META.get("HTTP_ACCEPT", ""))
        return HttpResponse(
            encode(everything()), content_type=content_type, headers={"Cache-Control": "no-store"}
        )


def may_read(request: HttpRequest | Request) -> bool:
    """Return whether the request carries the token, or comes from one of the addresses."""
    scheme, _, given = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    token = settings.METRICS_TOKEN
    if token and scheme.lower() == "bearer" and secrets.compare_digest(given.encode(), token.encode()):
        return True
    return _is_named(request)


def _is_named(request: HttpRequest | Request) -> bool:
    # Left by server/forwarded.py, so not believed: through a proxy that the settings do not know, everybody comes from
    # the proxy's own address.
    if "HTTP_X_FORWARDED_FOR" in request.META:
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:  # a Unix socket has no address
        return False
    return any(address in ipaddress.ip_network(named, strict=False) for named in settings.METRICS_ADDRESSES)
