"""What an operator ends: a socket, all of a user, the credentials that opened one. Each is logged."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.audit import note_about_user
from accounts.revoking import revoke_credentials
from cache_streams.operators.asking import Answers, WorkersUnreachableError, ask_workers
from cache_streams.operators.merging import Row
from cache_streams.operators.questions import End
from cache_streams.operators.views import for_operators, row_of

_AWAY = "Redis is away: nothing was closed. Revocations reach the sockets once it is back."


@require_POST
@for_operators
def close_socket(request: HttpRequest, socket_id: str) -> HttpResponse:
    """Close one socket; its client may come back."""
    row = _row(request, socket_id)
    if row is not None:
        closed = _closed(request, End(_operator(request), socket_id=socket_id))
        if closed:
            note_about_user(_operator(request), row.facts.user_id, f"Closed the socket {socket_id}.")
    return redirect("operators:live")


@require_POST
@for_operators
def close_user(request: HttpRequest, user_id: int) -> HttpResponse:
    """Close every socket of a user, who may come back; to shut somebody out, deactivate them."""
    closed = _closed(request, End(_operator(request), user_id=user_id))
    if closed:
        note_about_user(
            _operator(request), user_id, f"Closed {len(closed)} sockets: {', '.join(closed[:10])}."
        )
    return redirect("operators:live")


@require_POST
@for_operators
def revoke(request: HttpRequest, socket_id: str) -> HttpResponse:
    """End the tokens, their logins and the keys that opened a socket: every socket of theirs is closed."""
    row = _row(request, socket_id)
    if row is None:
        return redirect("operators:live")
    facts = row.facts
    tokens = [(each.jti, each.family, each.expires_at) for each in facts.credentials]
    ended = revoke_credentials(facts.user_id, tokens, facts.key_ids)
    if ended:
        words = f"Revoked what opened the socket {socket_id}: {', '.join(ended)}."
        note_about_user(_operator(request), facts.user_id, words)
        messages.success(request, words)
    else:
        messages.error(
            request,
            "That token names neither itself nor a login, so it cannot be revoked alone:"
            " end all tokens of the user, in the list of users.",
        )
    return redirect("operators:live")


def _row(request: HttpRequest, socket_id: str) -> Row | None:
    try:
        row = row_of(socket_id)
    except WorkersUnreachableError:
        messages.error(request, _AWAY)
        return None
    if row is None:
        messages.warning(request, f"The socket {socket_id} is not open any more.")
    return row


def _closed(request: HttpRequest, wanted: End) -> Sequence[str]:
    """Close on every worker, tell the operator how that went, and return the ids of the closed sockets."""
    try:
        answers = ask_workers(wanted)
    except WorkersUnreachableError:
        messages.error(request, _AWAY)
        return ()
    closed = [socket_id for answer in answers.answers for socket_id in answer.ended or ()]
    _tell(request, closed, answers)
    return closed


def _tell(request: HttpRequest, closed: Sequence[str], answers: Answers) -> None:
    messages.success(request, f"Closed {len(closed)} sockets on {len(answers.answers)} workers.")
    if answers.missing:
        messages.warning(request, f"{answers.missing} workers did not answer in time: look again.")


def _operator(request: HttpRequest) -> int:
    return request.user.pk or 0
