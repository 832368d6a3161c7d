"""What browsers may do with every answer: nothing, unless it is a page that says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.http import HttpRequest, HttpResponseBase

Response = TypeVar("Response", bound=HttpResponseBase)

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_OWN = f"{_NOTHING}; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
POLICIES = {
    "/docs": _OWN,
    "/redoc": f"{_OWN}; worker-src blob:",
}
"""By path. Both pages style their elements as they draw them, hence the inline styles; ReDoc searches in a worker of its own
making. Scripts come from this gateway alone, in files. The dashboard and the admin site have policies of their own."""
HEADERS = {
    "Content-Security-Policy": _NOTHING,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def browser_policy(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Send with each answer what no view has said."""

    def guarded(request: HttpRequest) -> HttpResponseBase:
        return guard(request, get_response(request))

    return guarded


def guard(request: HttpRequest, response: Response) -> Response:
    """Return ``response`` with the headers that it lacks."""
    policy = POLICIES.get(request.path_info.rstrip("/"))
    if policy is not None:
        response.headers.setdefault("Content-Security-Policy", policy)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
