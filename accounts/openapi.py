"""What OpenAPI says about authentication and errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from accounts import limit_headers
from accounts.limits import WINDOW_S

MEANINGS = {
    400: "The request cannot be read.",
    401: "No credential, or none that proves anybody.",
    403: "Known, and not allowed.",
    404: "There is no such thing, or it is not the caller's.",
    409: "It contradicts what there is.",
    413: "The body is too large.",
    422: "A field breaks a rule; `errors` names both.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "The database or the cache is away; `Retry-After` says when to come back.",
}
UNCHANGED = OpenApiResponse(description="As the client has it: If-None-Match named the answer's ETag.")
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="ETag of an earlier answer."
)
_TEXT = {"type": "string"}
HEADERS = {
    "X-RateLimit-Limit": {
        "description": "Requests per minute, of the tightest limit that this one was counted under.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "X-RateLimit-Remaining": {
        "description": "Of them still left.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "X-RateLimit-Reset": {
        "description": "Seconds until they begin anew.",
        "schema": {"type": "integer", "minimum": 0, "maximum": WINDOW_S},
    },
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
}
"""Those of limits are not required: where limits are switched off, or Redis is away, nothing was counted."""
REFERENCE = {"$ref": "#/components/schemas/Error"}
_FIELD_ERROR = {
    "type": "object",
    "properties": {"type": _TEXT, "loc": {"type": "array"}, "msg": _TEXT, "input": {"type": "null"}},
    "required": ["type", "loc", "msg", "input"],
}
ERROR = {
    "type": "object",
    "description": "The one shape of every error; `detail` is a text, or for 422 a list.",
    "properties": {
        "detail": {"oneOf": [_TEXT, {"type": "array", "items": _FIELD_ERROR}]},
        "success": {"const": False},
        "error_code": _TEXT,
        "error": _TEXT,
        "request_id": _TEXT,
        "errors": {"type": "object", "additionalProperties": {"type": "array", "items": _TEXT}},
    },
    "required": ["detail", "success", "error_code", "error", "request_id"],
}


def error_response(meaning: str) -> dict[str, Any]:  # Any: OpenAPI
    """Return an answer of the one shape, as OpenAPI 3 writes it."""
    return {"description": meaning, "content": {"application/json": {"schema": REFERENCE}}}


def _references(names: Iterable[str]) -> dict[str, dict[str, str]]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def refusal(meaning: str) -> OpenApiResponse:
    """Return an answer of the one shape, as a view names it."""
    return OpenApiResponse(REFERENCE, description=meaning)


def add_components(result: dict[str, Any], **_: object) -> dict[str, Any]:  # Any: OpenAPI
    """Put the one shape of errors and the headers of limits among the document's components."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = ERROR
    components["headers"] = HEADERS
    return result


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its metaclass is untyped
    """Names the bearer token in ``components.securitySchemes``."""

    target_class = "accounts.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:  # Any: OpenAPI
        """Return the scheme as OpenAPI 3 writes it."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # as above
    """Names the API key in ``components.securitySchemes``."""

    target_class = "accounts.authentication.KeyAuthentication"
    name = "api_key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:  # Any: OpenAPI
        """Return the scheme as OpenAPI 3 writes it."""
        return {"type": "apiKey", "in": "header", "name": settings.API_KEY_HEADER_NAME}


class Schema(AutoSchema):
    """Says of every operation whether it needs a login, how it refuses, and which headers its answers carry.

    drf-spectacular is silent about all three.
    """

    def get_operation(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any] | None:  # Any: OpenAPI
        """Return the operation with every error that it may answer, and the headers of each answer."""
        operation: dict[str, Any] | None = super().get_operation(path, *args, **kwargs)
        if operation is not None:
            for status in sorted(self._refusals(path, operation)):
                operation["responses"].setdefault(str(status), error_response(MEANINGS[status]))
            for status, answer in operation["responses"].items():
                if headers := self._headers(path, int(status)):
                    answer.setdefault("headers", {}).update(_references(headers))
        return operation

    def _headers(self, path: str, status: int) -> list[str]:
        early = status in limit_headers.EARLY and path.startswith(f"{settings.API_PREFIX}/")
        limits = limit_headers.HEADERS if self.view.throttle_classes or early else ()
        return [*limits, *(["Retry-After"] if status in (429, 503) else ())]

    def _refusals(self, path: str, operation: dict[str, Any]) -> set[int]:
        found = {429} if self.view.throttle_classes or hasattr(self.view, "bounds_guesses") else set()
        if self.view.get_authenticators():
            found |= {401, 403, 503}
        elif "/auth/" in path:
            found |= {401, 503}
        if "{" in path:
            found.add(404)
        if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
            found.add(422)
        return found | {400, 413, 422} if "requestBody" in operation else found

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Return the security requirement, an empty one for public operations."""
        return super().get_auth() if self.view.get_authenticators() else [{}]
