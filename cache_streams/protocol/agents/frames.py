"""Every frame but events that the agents family sends, as closed types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from cache_streams.protocol.agents.requests import EVENTS
from cache_streams.protocol.strict_json import Json

PROTOCOL = "agents.v1"
_RETRYABLE = frozenset({"RATE_LIMITED", "TOO_MANY_CONNECTIONS", "INTERNAL_ERROR"})


class Standing(Struct, kw_only=True, frozen=True):
    """The user's log: ``tail`` is the newest cursor, ``oldest`` the first that is kept; to miss nothing ``resume_after``."""

    log_id: str | None
    tail: int
    oldest: int
    resume_after: int


class ActiveRun(Struct, kw_only=True, frozen=True):
    """A run that has not ended."""

    run_id: str
    thread_id: str
    last_seq: int


class Rhythm(Struct, kw_only=True, frozen=True):
    """How often the gateway says something at least, and after what silence a client may give it up, in seconds."""

    interval_s: float
    timeout_s: float


class Ids(Struct, kw_only=True, frozen=True):
    """The two ids, where readers of the older shape look for them."""

    connection_id: str
    user_id: str
    mode: Literal["main"] = "main"


class Welcome(Struct, kw_only=True, frozen=True, tag_field="type", tag="connection_established"):
    """The first frame of every socket."""

    stream: Literal["agents"] = "agents"
    protocol: str = PROTOCOL
    connection_id: str
    client_id: str | None
    user_id: str
    username: str
    roles: Sequence[str]
    permissions: Sequence[str]
    auth_method: str
    subprotocol: str | None
    token_expires_at: str | None
    events: Sequence[str] = EVENTS
    log: Standing
    active_runs: Sequence[ActiveRun]
    heartbeat: Rhythm
    server_time: str
    data: Ids


class Stats(Struct, kw_only=True, frozen=True):
    """What passed on this socket; events are counted while all runs are subscribed to."""

    events_sent: int
    messages_received: int


class Heartbeat(Struct, kw_only=True, frozen=True, tag_field="type", tag="heartbeat"):
    """Sent when nothing else was; a ``cursor`` above the client's own says that it missed something."""

    connection_id: str
    timestamp: str
    cursor: int
    stats: Stats


class Healthy(Struct, kw_only=True, frozen=True):
    """The server's state, as older clients read it."""

    status: Literal["healthy"] = "healthy"
    timestamp: str


class HeartbeatAck(Struct, kw_only=True, frozen=True, tag_field="type", tag="heartbeat_ack"):
    """The answer to a client's ``heartbeat``."""

    timestamp: str
    data: Healthy


class Pong(Struct, kw_only=True, frozen=True, tag_field="type", tag="pong"):
    """The answer to ``ping``; ``echo`` is the client's ``timestamp`` or ``id``."""

    timestamp: str
    echo: Json
    data: Mapping[str, str]
    request_id: str | UnsetType = UNSET


class Ignored(Struct, kw_only=True, frozen=True, tag_field="type", tag="ack"):
    """The answer to a type that means nothing here."""

    received_type: str
    status: Literal["ignored"] = "ignored"


class Reply(Struct, kw_only=True, frozen=True):
    """The answer to a request that was done."""

    request_id: str | None
    action: str
    success: Literal[True] = True
    result: Mapping[str, Json]


class TokenExpiring(Struct, kw_only=True, frozen=True, tag_field="type", tag="token_expiring"):
    """The token ends soon: send ``reauthenticate`` with a fresh one, or be closed."""

    expires_at: str


class ReplayComplete(Struct, kw_only=True, frozen=True, tag_field="type", tag="replay_complete"):
    """Everything up to ``cursor`` was told; what follows is live."""

    cursor: int


class ResumeGap(Struct, kw_only=True, frozen=True, tag_field="type", tag="resume_gap"):
    """``lost`` events are no more; what is left begins at ``oldest``. ``log_id``: what it is from now on, on an open socket."""

    requested: int
    oldest: int
    lost: int
    reason: Literal["trimmed", "log_reset"]
    log_id: str | UnsetType = UNSET


class ServerShutdown(Struct, kw_only=True, frozen=True, tag_field="type", tag="server_shutdown"):
    """This process stops: connect again after so long, with the last cursor."""

    retry_after_ms: int


class ErrorFrame(Struct, kw_only=True, frozen=True):
    """A refusal. ``error_message`` repeats ``error`` for readers of the older shape; ``type`` may be ``auth_required``."""

    type: Literal["error", "auth_required"] = "error"
    success: Literal[False] = False
    error_code: str
    error: str
    error_message: str
    details: Mapping[str, Json]
    request_id: str | None
    retryable: bool
    timestamp: str
    action: str | UnsetType = UNSET


def error_frame(
    code: str,
    text: str,
    timestamp: str,
    *,
    details: Mapping[str, Json] | None = None,
    request_id: str | None = None,
    action: str | None = None,
) -> ErrorFrame:
    """Return the frame of a refusal."""
    return ErrorFrame(
        type="auth_required" if code == "TOKEN_EXPIRED" else "error",
        error_code=code,
        error=text,
        error_message=text,
        details=details or {},
        request_id=request_id,
        retryable=code in _RETRYABLE,
        timestamp=timestamp,
        action=action or UNSET,
    )


encode = msgspec.json.Encoder().encode
