"""One shape for every error that REST answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from accounts import metrics
from accounts.middleware import request_id_of
from accounts.security_log import request_refused

RETRY_AFTER_S = 2
REFUSALS = {401, 403, 429}
CODES = {
    400: "BAD_REQUEST",
    401: "NOT_AUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    409: "CONFLICT",
    413: "TOO_LARGE",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    503: "UNAVAILABLE",
}
TEXTS = {
    404: "Not Found",
    405: "Method Not Allowed",
    413: "The body is too large.",
    429: "Too many requests; come back later.",
    503: "The database is away; try again.",
}

Json = dict[str, Any]  # Any: JSON of any shape
FieldError = dict[
    str, Any
]  # Any: ``type`` and ``msg`` text, ``loc`` a path of names and positions, ``input`` null
logger = structlog.get_logger(__name__)


class Refused(exceptions.APIException):
    """A credential that a route checks by itself; ``extra`` are further members of the body."""

    status_code = status.HTTP_401_UNAUTHORIZED
    auth_header = "Bearer"

    def __init__(self, text: str, extra: Mapping[str, object] | None = None) -> None:
        super().__init__(text)
        self.extra = extra or {}


class Conflict(exceptions.APIException):
    """It contradicts what there is."""

    status_code = status.HTTP_409_CONFLICT


class TooLarge(exceptions.APIException):
    """A body above ``DATA_UPLOAD_MAX_MEMORY_SIZE``."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = TEXTS[413]


class Unavailable(exceptions.APIException):
    """The database does not answer; the client should come back."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = TEXTS[503]


class NestedTooDeeply(exceptions.ParseError):
    """JSON that the parser gave up on."""

    default_detail = "The JSON is nested too deeply."


MEANINGS: tuple[tuple[type[Exception], type[exceptions.APIException]], ...] = (
    (Http404, exceptions.NotFound),
    (PermissionDenied, exceptions.PermissionDenied),
    (RequestDataTooBig, TooLarge),
    (RecursionError, NestedTooDeeply),
    (OperationalError, Unavailable),
    (InterfaceError, Unavailable),
)


def error_body(
    request: HttpRequest,
    status_code: int,
    text: str,
    field_errors: Sequence[FieldError] = (),
    code: str | None = None,
) -> Json:
    """Return the body of an error: ``detail`` is the text, or for field errors their list as FastAPI writes it.

    ``code`` is a more exact one than the status has. Values are never echoed (``input`` is null): the field may have
    been a password.
    """
    code = code or CODES.get(status_code, CODES[500])
    metrics.ERRORS.labels(code).inc()
    if status_code in REFUSALS:
        request_refused(request, status_code, code)
    body: Json = {
        "detail": list(field_errors) or text,
        "success": False,
        "error_code": code,
        "error": text,
        "request_id": request_id_of(request),
    }
    if field_errors:
        body["errors"] = {}
        for error in field_errors:
            body["errors"].setdefault(".".join(map(str, error["loc"][1:])) or "body", []).append(error["msg"])
    return body


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response | None:  # Any: DRF's context
    """Return the answer to ``exc``; None leaves it to Django, which logs it and answers ``server_error``."""
    request: HttpRequest = context["request"]
    known = _as_api_exception(exc)
    if known is None:
        return None
    headers: dict[str, str] = {}
    if challenge := getattr(known, "auth_header", None):  # set by DRF on the instance, or by ``Refused``
        headers["WWW-Authenticate"] = challenge
    if isinstance(known, exceptions.Throttled):
        headers["Retry-After"] = str(max(1, math.ceil(getattr(known, "wait", None) or 1)))
    if known.status_code == status.HTTP_503_SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    field_errors = _field_errors(known)
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY if field_errors else known.status_code
    text = "; ".join(error["msg"] for error in field_errors) or _text(known, request)
    set_rollback()
    code = getattr(known, "error_code", None)  # an application's own, where it has one
    body = {**getattr(known, "extra", {}), **error_body(request, status_code, text, field_errors, code)}
    return Response(body, status=status_code, headers=headers)


def _as_api_exception(exc: Exception) -> exceptions.APIException | None:
    if isinstance(exc, exceptions.APIException):
        return exc
    if isinstance(exc, OperationalError | InterfaceError):
        logger.warning("database_away", error=type(exc).__name__)
    return next((meaning() for kind, meaning in MEANINGS if isinstance(exc, kind)), None)


def _text(exc: exceptions.APIException, request: HttpRequest) -> str:
    if isinstance(exc, exceptions.NotAuthenticated):
        resources = f"{settings.API_PREFIX}/orm/"
        return "No authenticated user" if request.path_info.startswith(resources) else "Not authenticated"
    if type(exc) in (exceptions.NotFound, exceptions.MethodNotAllowed):
        return TEXTS[exc.status_code]
    return str(exc.detail)


def _field_errors(exc: exceptions.APIException) -> list[FieldError]:
    if isinstance(exc, exceptions.UnsupportedMediaType):
        return [_field_error(("header", "content-type"), "media_type", str(exc.detail))]
    if isinstance(exc, exceptions.ValidationError):
        return _flattened(exc.get_full_details(), ("body",))
    return []


def _flattened(details: Any, loc: tuple[str | int, ...]) -> list[FieldError]:
    """Return one entry per message in ``details``, whose shape is the body's."""
    if isinstance(details, list):
        texts = all(isinstance(entry, dict) and set(entry) == {"message", "code"} for entry in details)
        places = [loc] * len(details) if texts else [(*loc, index) for index in range(len(details))]
        return [
            error for entry, place in zip(details, places, strict=True) for error in _flattened(entry, place)
        ]
    if set(details) == {"message", "code"} and isinstance(details["code"], str):
        if details["code"] == "required":
            return [_field_error(loc, "missing", "Field required")]
        return [_field_error(loc, details["code"], str(details["message"]))]
    return [
        error
        for name, entry in details.items()
        for error in _flattened(entry, loc if name == "non_field_errors" else (*loc, name))
    ]


def _field_error(loc: Sequence[str | int], kind: str, text: str) -> FieldError:
    return {"type": kind, "loc": list(loc), "msg": text, "input": None}


def _plain(request: HttpRequest, status_code: int, text: str) -> JsonResponse:
    return JsonResponse(error_body(request, status_code, text), status=status_code)


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """Answer what Django itself finds suspicious."""
    return _plain(request, 400, "Bad Request")


def permission_denied(request: HttpRequest, exception: Exception) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """Answer a refusal outside the REST views."""
    return _plain(request, 403, "Forbidden")


def csrf_failure(request: HttpRequest, reason: str = "") -> JsonResponse:  # noqa: ARG001 - Django's signature
    """Answer a form that this gateway did not hand out, or not to this browser."""
    return _plain(
        request,
        403,
        "The form did not come from a page of this site, or is out of date: load the page again.",
    )


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """Answer an unknown path."""
    return _plain(request, 404, TEXTS[404])


def too_large(request: HttpRequest) -> JsonResponse:
    """Answer a body that was not read to its end."""
    return _plain(request, 413, TEXTS[413])


def unknown_charset(request: HttpRequest) -> JsonResponse:
    """Answer a body in a charset that is not read."""
    text = "Bodies are UTF-8; forms may be ISO-8859-1."
    error = _field_error(("header", "content-type"), "charset", text)
    return JsonResponse(error_body(request, 422, text, [error]), status=422)


def too_many_requests(request: HttpRequest, wait_s: float) -> JsonResponse:
    """Answer somebody who asks too often, before a view could."""
    response = _plain(request, 429, TEXTS[429])
    response["Retry-After"] = str(max(1, math.ceil(wait_s)))
    return response


def server_error(request: HttpRequest) -> JsonResponse:
    """Answer a defect of ours; the log has it under the same request id."""
    return _plain(request, 500, "Internal Server Error")
