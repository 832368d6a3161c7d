"""The native protocol for programs and for people: its AsyncAPI document, and the same as a page without scripts."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from functools import cache
from pathlib import Path

import msgspec
from django.http import HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.utils.cache import get_conditional_response
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from cache_streams.protocol.native import tables
from cache_streams.protocol.native.asyncapi import document
from cache_streams.views import PublicView

_STYLE = (Path(__file__).parent / "templates" / "cache_streams" / "asyncapi.css").read_text(encoding="utf-8")
_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_CODE = re.compile(r"`([^`]+)`")


class AsyncApiView(PublicView):
    """``GET /api/v1/asyncapi.json``."""

    @extend_schema(
        summary="The native stream protocol as an AsyncAPI 3 document",
        tags=["service"],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Answer the document: every message of both directions, errors, close codes, limits, streams."""
        return _unless_known(request, _as_json(), "application/json")


class AsyncApiPageView(PublicView):
    """``GET /api/v1/asyncapi``."""

    @extend_schema(
        summary="The native stream protocol as a page",
        tags=["service"],
        responses={(200, "text/html"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Answer the document as a page that needs nothing else: no script, no font, no other host."""
        answer = _unless_known(request, _as_page(), "text/html; charset=utf-8")
        answer["Content-Security-Policy"] = _POLICY
        answer["Referrer-Policy"] = "no-referrer"
        return answer


def _unless_known(request: Request, body: bytes, content_type: str) -> HttpResponseBase:
    """Answer a body that changes only with the code; 304 to whoever has it."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    answer = HttpResponse(body, content_type=content_type, headers={"ETag": tag, "Cache-Control": "no-cache"})
    known = get_conditional_response(request._request, etag=tag, response=answer)  # noqa: SLF001  # what Django's negotiation takes
    return known or answer


@cache
def _as_json() -> bytes:
    return msgspec.json.encode(document())


@cache
def _as_page() -> bytes:
    """Return the page. A later start of the process may know other messages, a running one never does."""
    told = document()
    sections = [
        (title, title.lower().replace(" ", "-"), _section(table(told)))
        for title, table in (
            ("Requests", tables.requests_table),
            ("Frames", tables.frames_table),
            ("Objects in frames", tables.parts_table),
            ("Streams", tables.streams_table),
            ("Canonical objects", tables.objects_table),
            ("Errors", tables.errors_table),
            ("Closes", tables.closes_table),
            ("Limits", tables.limits_table),
        )
    ]
    examples = [
        (name, msgspec.json.format(msgspec.json.encode(example["payload"]), indent=2).decode())
        for name, message in told["components"]["messages"].items()
        for example in message.get("examples", ())
    ]
    about = [_marked(paragraph) for paragraph in told["info"]["description"].split("\n\n")]
    context = {"about": about, "address": told["channels"]["stream"]["address"], "examples": examples}
    return render_to_string(
        "cache_streams/asyncapi.html",
        {**context, "title": told["info"]["title"], "sections": sections, "style": mark_safe(_STYLE)},  # noqa: S308  # a file of ours
    ).encode()


def _section(table: tables.Table) -> dict[str, object]:
    rows = [[(head, _marked(cell)) for head, cell in zip(table.head, row, strict=True)] for row in table.rows]
    return {"head": table.head, "rows": rows}


def _marked(text: str) -> SafeString:
    """Return text as HTML: what stands between backticks is code."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(text)))  # noqa: S308  # escaped first
