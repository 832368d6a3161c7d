"""The page for people at ``/``: whom it is for, what a browser may do on it, and the files that it is made of."""

from __future__ import annotations

import json
import re
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

PART = r"(?P<name>[a-z]+-[A-Z0-9]+\.(?:css|js|svg)(?:\.map|\.LEGAL\.txt)?)"
"""Name of a part of a build; it holds a hash, so that what it names never changes."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_NOT_BUILT = (
    "The dashboard was not built on this machine: run `make dashboard` there, and load this page again."
)
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".map": "application/json",
    ".svg": "image/svg+xml; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
_GZIP = re.compile(r"(?:^|[\s,])gzip\s*(?:,|;(?!\s*q=0(?:\.0*)?\s*(?:,|$))|$)")


def wanted(request: HttpRequest) -> bool:
    """Return whether the client would rather have a page than JSON; programs that accept anything get JSON."""
    return request.get_preferred_type(["application/json", "text/html"]) == "text/html"


def page(request: HttpRequest) -> HttpResponse:
    """Answer the page of the newest build; 503 with one sentence when there is none."""
    try:
        built = json.loads((settings.DASHBOARD / "manifest.json").read_bytes())
    except FileNotFoundError:
        return HttpResponse(_NOT_BUILT, status=503, content_type="text/plain; charset=utf-8")
    shown = {"title": settings.API_TITLE, "icon": built["icon.svg"]}
    parts = {"script": built["app.js"], "style": built["app.css"]}
    answer = render(request, "cache_streams/dashboard.html", shown | parts)
    answer["Content-Security-Policy"] = _POLICY
    answer["Referrer-Policy"] = "no-referrer"
    answer["Cache-Control"] = "no-cache"
    return answer


def part(request: HttpRequest, name: str) -> HttpResponse:
    """Answer a file of this build or of an earlier one, compressed when the client takes that; 404 for others.

    Read for each request, not listed at the start: a build that is made while gateways run is served at once by all of
    them, and pages of the build before still find their files.
    """
    compressed = bool(_GZIP.search(request.headers.get("Accept-Encoding", "")))
    path: Path = settings.DASHBOARD / (f"{name}.gz" if compressed else name)
    try:
        answer = HttpResponse(path.read_bytes(), content_type=_TYPES[Path(name).suffix])
    except FileNotFoundError:
        raise Http404 from None
    if compressed:
        answer["Content-Encoding"] = "gzip"
    answer["Cache-Control"] = "public, max-age=31536000, immutable"
    patch_vary_headers(answer, ("Accept-Encoding",))
    return answer
