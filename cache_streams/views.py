"""Requests about the service itself: what it is, and whether it is well."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.http import HttpResponseBase
from django.utils.cache import patch_vary_headers
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException
from rest_framework.permissions import AllowAny, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cache_streams import dashboard, health_bodies
from cache_streams.health import CHECKER, STOPPING, Report


class Unready(APIException):
    """Redis or the database is away, or this process stops; ``extra`` joins the members of every error."""

    status_code = 503

    def __init__(self, report: Report, further: Sequence[str] = ()) -> None:
        reasons = [component.reason for component in report.components.values() if component.reason]
        reasons += further
        super().__init__("; ".join(reasons))
        self.extra = {
            "status": "unhealthy",
            "reasons": reasons,
            "components": health_bodies.components(report),
        }


class PublicView(APIView):
    """For everybody; no credential is looked at and nothing is counted, so that neither database nor Redis is needed."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()


class RootView(PublicView):
    """``GET /``."""

    @extend_schema(summary="What this is", tags=["service"], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> HttpResponseBase:
        """Answer title, version and where to go on; the dashboard to whoever would rather have a page."""
        if dashboard.wanted(request._request):  # noqa: SLF001  # what templates and Django's negotiation take
            answer: HttpResponseBase = dashboard.page(request._request)  # noqa: SLF001  # as above
        else:
            answer = Response(
                {
                    "service": settings.API_TITLE,
                    "version": settings.API_VERSION,
                    "docs": f"{settings.ROOT_PATH}/docs",
                    "health": f"{settings.ROOT_PATH}/health",
                    "api": settings.ROOT_PATH + settings.API_PREFIX,
                }
            )
        patch_vary_headers(answer, ["Accept"])
        return answer


class HealthView(PublicView):
    """``GET /health``."""

    @extend_schema(
        summary="Health as last looked at",
        tags=["health"],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """Answer 200 always and at once; ``status`` tells the truth of the last background look."""
        return Response(health_bodies.health(CHECKER.last()))


class ServicesView(PublicView):
    """``GET /health/services``."""

    @extend_schema(
        summary="Services of the deployment",
        tags=["health"],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """Answer which services have shown signs of life within 5 minutes."""
        return Response({"services": health_bodies.services(CHECKER.last())})


class MonitorView(PublicView):
    """``GET /health/monitor``."""

    @extend_schema(summary="The background looks", tags=["health"], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Answer how often neighbours are looked at, and what was wrong."""
        return Response(health_bodies.monitor(CHECKER.last()))


class LiveView(PublicView):
    """``GET /health/live``."""

    @extend_schema(summary="Does the process run?", tags=["health"], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Answer 200 while the process runs, whatever its neighbours do."""
        return Response({"status": "healthy", "uptime_seconds": health_bodies.uptime_s()})


class ReadyView(PublicView):
    """``GET /health/ready``."""

    @extend_schema(
        summary="Can it serve now?",
        tags=["health"],
        responses={200: OpenApiTypes.OBJECT, 503: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request) -> Response:
        """Answer 200 when Redis and database answered within 1 s, otherwise, and while draining, 503 with reasons."""
        report = CHECKER.fresh()
        stopping = ["this worker drains: it was asked to stop"] if STOPPING.is_set() else []
        if stopping or not all(component.connected for component in report.components.values()):
            raise Unready(report, stopping)
        return Response(
            {
                "status": "healthy",
                "uptime_seconds": health_bodies.uptime_s(),
                "version": settings.API_VERSION,
                "components": health_bodies.components(report),
            }
        )


class AgentsHealthView(PublicView):
    """``GET /api/v1/agents/health``."""

    @extend_schema(
        summary="Can agent runs be stored and watched?",
        tags=["agents"],
        responses={200: OpenApiTypes.OBJECT, 503: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request) -> Response:
        """Answer 503 without the database; without Redis ``degraded``, because rows are kept and delivered later."""
        report = CHECKER.fresh()
        if not report.components["database"].connected:
            raise Unready(report)
        return Response(
            {
                "status": "healthy" if report.components["redis"].connected else "degraded",
                "uptime_seconds": health_bodies.uptime_s(),
                "version": settings.API_VERSION,
                "components": health_bodies.components(report),
            }
        )


class CheckView(APIView):
    """``POST /health/check``."""

    permission_classes = (IsAdminUser,)

    @extend_schema(summary="Look again now", tags=["health"], request=None, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request) -> Response:
        """Answer a fresh look; nothing is restarted. For administrators."""
        return Response(health_bodies.check(CHECKER.fresh(max_age_s=0.0)))
