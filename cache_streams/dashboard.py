"""The page for people at ``/``: whom it is for, and what a browser may do on it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_NOT_BUILT = (
    "The dashboard was not built on this machine: run `make dashboard` there, and start the gateway again."
)


def wanted(request: HttpRequest) -> bool:
    """Return whether the client would rather have a page than JSON; programs that accept anything get JSON."""
    return request.get_preferred_type(["application/json", "text/html"]) == "text/html"


def page(request: HttpRequest) -> HttpResponse:
    """Answer the page; 503 with one sentence when its scripts were never built."""
    if not settings.DASHBOARD.is_dir():
        answer = HttpResponse(_NOT_BUILT, status=503, content_type="text/plain; charset=utf-8")
    else:
        answer = render(request, "cache_streams/dashboard.html", {"title": settings.API_TITLE})
        answer["Content-Security-Policy"] = _POLICY
        answer["Referrer-Policy"] = "no-referrer"
        answer["Cache-Control"] = "no-cache"
    return answer
