"""What the native family refuses, and why: every error code, as data."""

from __future__ import annotations

from dataclasses import dataclass

from cache_streams.protocol.close_codes import Close, Reconnect


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One error code. ``bad``: the request cannot be read; so many of these in a row end the socket."""

    code: str
    meaning: str
    retryable: bool = False
    bad: bool = False


ERRORS: tuple[ErrorCode, ...] = (
    ErrorCode("MALFORMED_MESSAGE", "the frame is not one JSON object with a readable `op`", bad=True),
    ErrorCode("INVALID_OPERATION", "there is no such `op`", bad=True),
    ErrorCode("INVALID_PARAMS", "a field is missing or breaks a rule; `field` names it", bad=True),
    ErrorCode("UNKNOWN_STREAM", "there is no such stream", bad=True),
    ErrorCode("FORBIDDEN", "not the caller's; said of what does not exist as well"),
    ErrorCode("NOT_SUBSCRIBED", "no subscription of this socket matches"),
    ErrorCode("MODE_UNSUPPORTED", "this stream refuses this mode", bad=True),
    ErrorCode("INVALID_CURSOR", "`since` holds what no frame ever said", bad=True),
    ErrorCode(
        "REPLAY_UNAVAILABLE",
        "the past that was asked for is not kept: `begins_at` says from when on; or too many replays run",
    ),
    ErrorCode("RATE_LIMITED", "too many requests; repeat this one after `retry_after_ms`", retryable=True),
    ErrorCode(
        "TOO_MANY_SUBSCRIPTIONS", "the socket would have more subscriptions than `welcome.limits` allows"
    ),
    ErrorCode("AUTH_INVALID", "the token does not verify"),
    ErrorCode("AUTH_CONFLICT", "the token belongs to another user than the socket"),
    ErrorCode("TOKEN_EXPIRED", "the token's time ran out; a close follows"),
    ErrorCode("AUTH_REVOKED", "the token or its user was withdrawn; a close follows"),
    ErrorCode("CACHE_UNAVAILABLE", "Redis does not answer", retryable=True),
    ErrorCode("INTERNAL_ERROR", "our fault; `incident` finds it in our logs", retryable=True),
    ErrorCode("SLOW_CONSUMER", "behind for too long, or beyond retention; a close follows", retryable=True),
    ErrorCode("TOO_MANY_CONNECTIONS", "too many sockets of one user; a close follows", retryable=True),
    ErrorCode("TRY_AGAIN_LATER", "overload; a close follows", retryable=True),
    ErrorCode("SERVICE_RESTART", "planned stop or restart; a close follows", retryable=True),
)

BY_CODE = {error.code: error for error in ERRORS}

BAD_IN_A_ROW_LIMIT = 20
"""Requests that cannot be read, one after another, which end the socket with 4429."""

_RETRYABLE = frozenset({Reconnect.RESUME, Reconnect.BACK_OFF, Reconnect.LATER, Reconnect.AFRESH})
_RETRY_AFTER_MS = {"rate_limited": 10_000, "too_many_connections": 10_000, "try_again_later": 5_000}
_RETRY_SOON_MS = 1_000


class Refused(Exception):
    """A request that is answered with an error; the socket stays open. The text never holds a token."""

    def __init__(
        self,
        code: str,
        text: str,
        *,
        field: str | None = None,
        retry_after_ms: int | None = None,
        begins_at: float | None = None,
    ) -> None:
        super().__init__(text)
        self.error = BY_CODE[code]
        self.text, self.field, self.retry_after_ms, self.begins_at = text, field, retry_after_ms, begins_at

    @property
    def code(self) -> str:
        """What clients compare."""
        return self.error.code


def invalid(field: str, rule: str) -> Refused:
    """Return the refusal of one field."""
    return Refused("INVALID_PARAMS", f"{field}: {rule}", field=field)


def code_of_close(close: Close) -> str | None:
    """Return the error code that is told before a close; None for closes that explain themselves."""
    code = close.reason.upper()
    return code if code in BY_CODE else None


def retry_after_ms(close: Close) -> int | None:
    """Return how long to stay away after a close; None if coming back alone does not help."""
    if close.reconnect not in _RETRYABLE:
        return None
    return _RETRY_AFTER_MS.get(close.reason, _RETRY_SOON_MS)
