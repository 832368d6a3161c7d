"""A name for each HTTP request, so that an answer, a log line and a question about them can be matched."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponseBase
from structlog.contextvars import bound_contextvars, unbind_contextvars

from accounts.security_log import CREDENTIAL

HEADER = "X-Request-ID"
logger = structlog.get_logger(__name__)
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id_of(request: HttpRequest) -> str:
    """Return the id of ``request``: its own ``X-Request-ID`` where that is sane, otherwise a new one, kept on it."""
    offered: str = request.META.get("HTTP_X_REQUEST_ID", "")
    if not _SANE.fullmatch(offered):
        offered = request.META["HTTP_X_REQUEST_ID"] = uuid.uuid4().hex
    return offered


def request_id(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Echo the request's id in the answer and bind it to every log line in between; also the user's, once it is known.

    Synchronous, as WhiteNoise's is: Django runs the chain in one thread per request either way.
    """

    def named(request: HttpRequest) -> HttpResponseBase:
        with bound_contextvars(request_id=request_id_of(request)):
            started = time.perf_counter()
            try:
                response = get_response(request)
                logger.debug(
                    "request answered",
                    method=request.method,
                    path=request.path,
                    status=response.status_code,
                    ms=round((time.perf_counter() - started) * 1000, 1),
                )
            finally:
                unbind_contextvars("user_id", CREDENTIAL)  # authentication binds them, somewhere in between
        response[HEADER] = request_id_of(request)
        return response

    return named
