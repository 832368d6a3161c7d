"""The live page: who is connected, what is behind, how old the streams are; it asks the workers when it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from cache_streams.operators.asking import WorkersUnreachableError, ask_workers
from cache_streams.operators.forms import PAGE_ROWS, PAGES_MAX, LookForm
from cache_streams.operators.merging import Picture, Row, merged
from cache_streams.operators.questions import Look, Order, Wanted
from cache_streams.operators.told import relay_hops, stream_rows, told_by_relay
from cache_streams.streams import REGISTRY

PERMISSION = "accounts.operate"
PEOPLE_SHOWN = 20
View = Callable[..., HttpResponse]


def for_operators(view: View) -> View:
    """Let in who holds ``accounts.operate``, beside being staff, which the admin site asks for."""

    @wraps(view)
    def guarded(request: HttpRequest, **of_path: str | int) -> HttpResponse:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied(f"This page is for those who hold {PERMISSION}.")
        return view(request, **of_path)

    return guarded


def picture_of(wanted: Wanted, order: Order = "newest", rows: int = 1) -> Picture:
    """Return what all workers say of the wanted sockets. Raises: WorkersUnreachableError."""
    return merged(ask_workers(Look(wanted, order, rows)), order, rows)


@for_operators
def live(request: HttpRequest) -> HttpResponse:
    """Show everything; asked by the page itself for its newer state, answer that part alone."""
    form = LookForm(request.GET)
    part = "HX-Request" in request.headers
    context: dict[str, Any] = {"form": form, "title": "Live"}  # Any: what a template takes
    status = 200
    if not form.is_valid():
        status = 400
    else:
        try:
            context |= _seen(form)
        except WorkersUnreachableError:
            context["trouble"] = "Redis is away: the workers cannot be asked. Sockets stay open meanwhile."
            status = 503
    context |= _again(request)
    name = "cache_streams/operators/part.html" if part else "cache_streams/operators/live.html"
    # Asked again by a page: htmx shows what came with a refusal only if it is none.
    return page(request, name, context, status=200 if part else status)


def _seen(form: LookForm) -> Mapping[str, Any]:  # Any: what a template takes
    order: Order = form.cleaned_data["order"] or "newest"
    number = form.page_number
    picture = picture_of(form.wanted, order, number * PAGE_ROWS + 1)
    told = told_by_relay()
    first = (number - 1) * PAGE_ROWS
    return {
        "picture": picture,
        "rows": picture.rows[first : first + PAGE_ROWS],
        "people": picture.total.people[:PEOPLE_SHOWN],
        "streams": stream_rows([stream.name for stream in REGISTRY], told, picture.total.streams),
        "hops": {**picture.hops, **relay_hops(told)},
        "page": number,
        "before": number - 1 or None,
        "after": number + 1 if len(picture.rows) > first + PAGE_ROWS and number < PAGES_MAX else None,
    }


def _again(request: HttpRequest) -> Mapping[str, str]:
    """Return the query of this page, with and without its number, for links to other pages and to itself."""
    query = request.GET.copy()
    whole = query.urlencode()
    query.pop("page", None)
    return {"query": whole, "query_without_page": query.urlencode()}


@for_operators
def one_socket(request: HttpRequest, socket_id: str) -> HttpResponse:
    """Show one socket, and what may be done about it."""
    context: dict[str, Any] = {"title": f"Socket {socket_id}", "socket_id": socket_id}  # Any: as above
    try:
        context["row"] = row_of(socket_id)
    except WorkersUnreachableError:
        context["trouble"] = "Redis is away: the workers cannot be asked."
    status = 200 if context.get("row") else 404
    return page(request, "cache_streams/operators/socket.html", context, status=status)


@for_operators
def one_user(request: HttpRequest, user_id: int) -> HttpResponse:
    """Show a user's sockets, and ask whether all of them are to be closed."""
    context: dict[str, Any] = {"title": f"Sockets of user {user_id}", "user_id": user_id}  # Any: as above
    try:
        picture = picture_of(Wanted(user_id=user_id), rows=PAGE_ROWS)
        context |= {"picture": picture, "rows": picture.rows}
    except WorkersUnreachableError:
        context["trouble"] = "Redis is away: the workers cannot be asked."
    return page(request, "cache_streams/operators/user.html", context)


def row_of(socket_id: str) -> Row | None:
    """Return one open socket, None when no worker holds it. Raises: WorkersUnreachableError."""
    rows = picture_of(Wanted(socket_id=socket_id)).rows
    return rows[0] if rows else None


def page(
    request: HttpRequest, template: str, context: Mapping[str, Any], status: int = 200
) -> TemplateResponse:  # Any: what a template takes
    """Return a page of the admin site."""
    return TemplateResponse(request, template, {**admin.site.each_context(request), **context}, status=status)
