"""Why a request about agent runs is refused: one exception, whose code is the same over REST, sockets and ingest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from cache_streams.metrics import AGENTS_ISOLATION_REFUSALS, AGENTS_OUT_OF_ORDER, AGENTS_REFUSALS

Code = Literal[
    "EVENT_ID_CONFLICT",
    "FORBIDDEN",
    "INVALID_CURSOR",
    "NO_RUNNER",
    "OUT_OF_ORDER",
    "RATE_LIMITED",
    "RUN_CLOSED",
    "RUN_ID_UNAVAILABLE",
    "RUN_NOT_FOUND",
    "SEQUENCE_MISMATCH",
    "TOO_LARGE",
    "VALIDATION_ERROR",
]
FieldErrors = Mapping[str, Sequence[str]]
"""Texts by field; the path of a nested field has dots: ``events.3.reasoning``."""


class AgentRefused(Exception):
    """A refusal. ``details`` are further facts for the client; texts are fixed and never repeat what was sent."""

    def __init__(self, code: Code, text: str, **details: object) -> None:
        super().__init__(text)
        self.code: Code = code
        self.text = text
        self.details = details
        AGENTS_REFUSALS.labels(code).inc()


class Invalid(AgentRefused):
    """What was sent breaks rules; ``errors`` names each field and its rule."""

    def __init__(self, errors: FieldErrors) -> None:
        super().__init__("VALIDATION_ERROR", "; ".join(text for texts in errors.values() for text in texts))
        self.errors = errors


def run_not_found() -> AgentRefused:
    """Return the one answer for a run that does not exist and for a run of somebody else."""
    return AgentRefused("RUN_NOT_FOUND", "There is no such run.")


def forbidden(text: str = "You lack the permission for this.") -> AgentRefused:
    """Return the refusal of somebody who is known and may not."""
    return AgentRefused("FORBIDDEN", text)


def foreign_user() -> AgentRefused:
    """Return the refusal of a message that names another user than its sender may speak for."""
    AGENTS_ISOLATION_REFUSALS.inc()
    return forbidden("user_id names somebody else.")


def out_of_order(why: str, phase: str, allowed: Sequence[str]) -> AgentRefused:
    """Return the refusal of an event that may not come now."""
    AGENTS_OUT_OF_ORDER.inc()
    return AgentRefused(
        "OUT_OF_ORDER", f"The run is {phase}: {why}.", state=phase, allowed=[str(kind) for kind in allowed]
    )
