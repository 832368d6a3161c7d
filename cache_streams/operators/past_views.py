"""Why was I cut off: the endings of sockets, as operators' pages."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from cache_streams.operators.asking import WorkersUnreachableError
from cache_streams.operators.forms import EndingsForm
from cache_streams.operators.past import canonical_id, ending_of, newest_endings
from cache_streams.operators.views import for_operators, page

_AWAY = "Redis is away: endings cannot be read."


@for_operators
def endings(request: HttpRequest) -> HttpResponse:
    """Show the newest endings, or lead to the one of an id."""
    form = EndingsForm(request.GET)
    context: dict[str, Any] = {"form": form, "title": "Endings"}  # Any: what a template takes
    if not form.is_valid():
        return page(request, "cache_streams/operators/endings.html", context, status=400)
    if form.socket_id:
        return redirect("operators:ending", socket_id=form.socket_id)
    status = 200
    try:
        context["endings"] = newest_endings(form.wants)
    except WorkersUnreachableError:
        context["trouble"], status = _AWAY, 503
    return page(request, "cache_streams/operators/endings.html", context, status=status)


@for_operators
def one_ending(request: HttpRequest, socket_id: str) -> HttpResponse:
    """Show how one socket ended."""
    known = canonical_id(socket_id) or socket_id
    context: dict[str, Any] = {"title": f"How {known} ended", "socket_id": known}  # Any: as above
    try:
        context["ending"] = ending_of(known)
    except WorkersUnreachableError:
        context["trouble"] = _AWAY
        return page(request, "cache_streams/operators/ending.html", context, status=503)
    status = 200 if context["ending"] else 404
    return page(request, "cache_streams/operators/ending.html", context, status=status)
