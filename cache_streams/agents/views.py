"""REST requests about agent runs: request → wire → service or selector → answer."""

from __future__ import annotations

import structlog
from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException, ErrorDetail, Throttled, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.openapi import refusal
from cache_streams.agents import bodies, selectors, services, wire
from cache_streams.agents.refusals import AgentRefused, Code, Invalid, forbidden, run_not_found
from cache_streams.agents.rights import RECENT, Caller
from cache_streams.agents.throttles import AgentThrottle
from cache_streams.protocol.agent_forms import WireForm, on_the_wire

STATUSES: dict[Code, int] = {
    "FORBIDDEN": 403,
    "RUN_NOT_FOUND": 404,
    "OUT_OF_ORDER": 409,
    "SEQUENCE_MISMATCH": 409,
    "EVENT_ID_CONFLICT": 409,
    "RUN_CLOSED": 409,
    "RUN_ID_UNAVAILABLE": 409,
    "TOO_LARGE": 413,
    "INVALID_CURSOR": 422,
}
RETRY_AFTER_S = 1
_OBJECT = OpenApiTypes.OBJECT
_CONFLICT = refusal("It contradicts the run as it is; `error_code` says how.")
_LIMIT = OpenApiParameter("limit", int, description="1 to 200")
_STATUS = OpenApiParameter("status", str, description="new, running, or how the run ended")

logger = structlog.get_logger(__name__)


class Refusal(APIException):
    """An ``AgentRefused`` as DRF answers it."""

    def __init__(self, refused: AgentRefused) -> None:
        super().__init__(refused.text)
        self.status_code = STATUSES[refused.code]
        self.error_code = refused.code
        self.extra = refused.details


class AgentView(APIView):
    """What all of them share: the caller's rights, limits, and refusals in the one shape of errors."""

    throttle_classes = (AgentThrottle,)

    def caller(self, request: Request) -> Caller:
        """Return who asks, with the rights that the token leaves. Raises: AgentRefused (FORBIDDEN)."""
        user_id = request.user.pk
        caller = (
            None if user_id is None else RECENT.caller(user_id, getattr(request.auth, "permissions", None))
        )
        if caller is None:  # gone since the token was checked
            raise forbidden()
        return caller

    def reader(self, request: Request) -> Caller:
        """Return who asks, if they may read their own runs. Raises: AgentRefused (FORBIDDEN)."""
        caller = self.caller(request)
        if not caller.may("read"):
            raise forbidden()
        return caller

    def handle_exception(self, exc: Exception) -> Response:
        """Translate refusals."""
        return super().handle_exception(_translated(exc) if isinstance(exc, AgentRefused) else exc)


class RunsView(AgentView):
    """``/agents/runs``."""

    @extend_schema(
        operation_id="agents_runs_list",
        summary="Own runs, the newest first",
        tags=["agents"],
        parameters=[OpenApiParameter("thread_id", str), _STATUS, _LIMIT],
        responses=_OBJECT,
    )
    def get(self, request: Request) -> Response:
        """Answer up to ``limit`` runs."""
        caller = self.reader(request)
        query = bodies.read_run_query(request.query_params)
        runs = selectors.runs_of(caller.user_id, **query)
        return Response({"runs": [bodies.run(run) for run in runs]})

    @extend_schema(
        operation_id="agents_runs_start",
        summary="Start a run",
        tags=["agents"],
        request=_OBJECT,
        responses={200: _OBJECT, 201: _OBJECT, 409: _CONFLICT},
    )
    def post(self, request: Request) -> Response:
        """Answer 201, or 200 when an equal request started it before."""
        caller = self.caller(request)
        draft = wire.read_start(request.data)
        key = bodies.read_idempotency_key(request.headers.get("Idempotency-Key"))
        started = services.start_run(caller, draft, key)
        return Response(bodies.started(started), status=201 if started.created else 200)


class RunView(AgentView):
    """``/agents/runs/{run_id}``."""

    @extend_schema(
        operation_id="agents_runs_detail", summary="One of one's own runs", tags=["agents"], responses=_OBJECT
    )
    def get(self, request: Request, run_id: str) -> Response:
        """Answer the run; 404 alike for unknown ones and those of others."""
        run = selectors.run_of(self.reader(request).user_id, run_id)
        if run is None:
            raise run_not_found()
        return Response(bodies.run(run))


class RunEventsView(AgentView):
    """``/agents/runs/{run_id}/events``."""

    @extend_schema(
        operation_id="agents_run_events_list",
        summary="Events of a run",
        tags=["agents"],
        parameters=[OpenApiParameter("after_seq", int), _LIMIT],
        responses=_OBJECT,
    )
    def get(self, request: Request, run_id: str) -> Response:
        """Answer the events with a greater ``seq``, oldest first; ``has_more`` says whether to ask again."""
        caller = self.reader(request)
        run = selectors.run_of(caller.user_id, run_id)
        if run is None:
            raise run_not_found()
        query = bodies.read_page_query(request.query_params, "after_seq")
        events = selectors.events_of_run(caller.user_id, run_id, query.after, query.limit)
        return Response(bodies.events_of(run_id, run.last_seq, query.after, events, _form()))

    @extend_schema(
        operation_id="agents_run_events_append",
        summary="Append one event or a batch of up to 100",
        tags=["agents"],
        request=_OBJECT,
        responses={200: _OBJECT, 201: _OBJECT, 409: _CONFLICT},
    )
    def post(self, request: Request, run_id: str) -> Response:
        """Answer 201 with numbers, or 200 when all of it was there before."""
        appended = services.append_events(self.caller(request), run_id, wire.read_events(request.data))
        return Response(bodies.appended(appended), status=200 if appended.duplicate else 201)


class CancelView(AgentView):
    """``/agents/runs/{run_id}/cancel``."""

    @extend_schema(
        operation_id="agents_run_cancel",
        summary="Cancel a run",
        tags=["agents"],
        request=None,
        responses={200: _OBJECT, 409: _CONFLICT},
    )
    def post(self, request: Request, run_id: str) -> Response:
        """Answer the events with which the run ended."""
        return Response(bodies.appended(services.cancel_run(self.caller(request), run_id)))


class EventsView(AgentView):
    """``/agents/events``."""

    @extend_schema(
        operation_id="agents_events_list",
        summary="Own events of all runs, from a cursor on",
        tags=["agents"],
        parameters=[OpenApiParameter("after", int), OpenApiParameter("log_id", str), _LIMIT],
        responses=_OBJECT,
    )
    def get(self, request: Request) -> Response:
        """Answer the events with a greater cursor, oldest first; ``gap`` tells what is no longer there."""
        caller = self.reader(request)
        query = bodies.read_page_query(request.query_params, "after")
        standing = selectors.standing(caller.user_id)
        start = bodies.resume(standing, query)
        events = selectors.events_after(caller.user_id, start.after, query.limit)
        cursor = events[-1]["cursor"] if events else start.after
        return Response(
            {
                **start.body,
                "events": [on_the_wire(event, _form(), replayed=True) for event in events],
                "cursor": cursor,
                "has_more": standing is not None and cursor < standing.last,
            }
        )


class AllRunsView(AgentView):
    """``/agents/admin/runs``."""

    @extend_schema(
        operation_id="agents_admin_runs_list",
        summary="Metadata of everybody's runs, for administrators",
        tags=["agents"],
        parameters=[OpenApiParameter("user_id", int), _STATUS, _LIMIT],
        responses=_OBJECT,
    )
    def get(self, request: Request) -> Response:
        """Answer owner, status, counts and times, never what an agent said; each access is logged."""
        caller = self.caller(request)
        if not caller.may("admin"):
            raise forbidden()
        query = bodies.read_admin_query(request.query_params)
        logger.info("agent runs seen by an administrator", admin=caller.user_id, **query)
        return Response({"runs": [bodies.metadata(run) for run in selectors.runs_of_all(**query)]})


def _form() -> WireForm:
    form: WireForm = settings.AGENTS_WIRE_FORM  # type: ignore[assignment]  # the settings allow these only
    return form


def _translated(refused: AgentRefused) -> APIException:
    if isinstance(refused, Invalid):
        return ValidationError(
            {
                name: [
                    ErrorDetail(text, "required" if text == "Field required" else "invalid") for text in texts
                ]
                for name, texts in refused.errors.items()
            }
        )
    if refused.code == "RATE_LIMITED":
        return Throttled(wait=RETRY_AFTER_S, detail=refused.text)
    return Refusal(refused)
