"""A name for each HTTP request, so that an answer, a log line and a question about them can be matched."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from typing import cast

import structlog
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")

SyncNext = Callable[[HttpRequest], HttpResponseBase]
AsyncNext = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def request_id_of(request: HttpRequest) -> str:
    """Return the id of ``request``: its own ``X-Request-ID`` where that is sane, otherwise a new one, kept on it."""
    offered: str = request.META.get("HTTP_X_REQUEST_ID", "")
    if not _SANE.fullmatch(offered):
        offered = request.META["HTTP_X_REQUEST_ID"] = uuid.uuid4().hex
    return offered


@sync_and_async_middleware
def request_id(get_response: SyncNext | AsyncNext) -> SyncNext | AsyncNext:
    """Echo the request's id in the answer and bind it to every log line in between."""
    if iscoroutinefunction(get_response):
        await_response = cast("AsyncNext", get_response)  # what iscoroutinefunction has just told

        async def named_async(request: HttpRequest) -> HttpResponseBase:
            with structlog.contextvars.bound_contextvars(request_id=request_id_of(request)):
                response = await await_response(request)
            response[HEADER] = request_id_of(request)
            return response

        return named_async
    call_response = cast("SyncNext", get_response)  # the other of the two

    def named(request: HttpRequest) -> HttpResponseBase:
        with structlog.contextvars.bound_contextvars(request_id=request_id_of(request)):
            response = call_response(request)
        response[HEADER] = request_id_of(request)
        return response

    return named
