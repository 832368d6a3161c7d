"""One log line for each refusal, for whoever watches over the gateway: who was refused what, from where, and never by what."""

from __future__ import annotations

import hashlib

import structlog
from django.http import HttpRequest
from structlog.contextvars import bind_contextvars

CREDENTIAL = "credential"
"""Bound while a request is answered: what was wrong with the credential that it carries. A later one may still be good."""
_ACCOUNT_CHARACTERS = 12

logger = structlog.get_logger(__name__)


def credential_refused(kind: str, reason: str) -> None:
    """Remember why a credential of this request proves nothing, for the line about its answer."""
    bind_contextvars(**{CREDENTIAL: f"{kind}:{reason}"})


def request_refused(request: HttpRequest, status: int, code: str) -> None:
    """Log an answer of 401, 403 or 429; the request's id, and the user's where there is one, stand on every line."""
    logger.info(
        "request refused",
        status=status,
        code=code,
        method=request.method,
        path=request.path,
        address=request.META.get("REMOTE_ADDR"),
    )


def login_refused(account: str, address: str | None, reason: str) -> None:
    """Log a login that failed, on REST or the admin site.

    The account is shown by a hash, by which its lines are found: people type passwords into the wrong field.
    """
    known_by = hashlib.sha256(account.strip().lower().encode(errors="replace")).hexdigest()
    logger.info("login refused", reason=reason, account=known_by[:_ACCOUNT_CHARACTERS], address=address)
