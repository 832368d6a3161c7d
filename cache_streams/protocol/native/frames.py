"""What the server says to a client of the native family, as closed types: acknowledgements, signs of life, errors."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

from cache_streams.streams.ohlcv import Bar

PROTOCOL = "fullon.stream.v1"
"""The name of this protocol, also as a WebSocket subprotocol."""

RequestId: TypeAlias = str | int
Cursors: TypeAlias = str | dict[str, str] | None
"""One cursor; one per log, ``log:{partition}``, where several are read; null while the log does not exist."""


class Limits(Struct, kw_only=True, frozen=True):
    """What the server allows this socket."""

    subscriptions: int
    replays: int = 0  # servers from before replays do not tell it, and have none
    requests_per_s: int
    frame_bytes: int


class Welcome(Struct, kw_only=True, frozen=True, tag_field="type", tag="welcome"):
    """The first frame of every socket. Times are Unix seconds; ``streams`` are those that the user may subscribe to."""

    connection_id: str
    user_id: int
    protocol: str
    server_time: float
    token_expires_at: float | None
    heartbeat_s: float
    limits: Limits
    streams: list[str]
    warnings: list[str]


class Ack(Struct, kw_only=True, frozen=True, tag_field="type", tag="ack"):
    """The answer to one request; ``time_in`` and ``time_out`` are when it came and when it was answered."""

    op: str
    id: RequestId | UnsetType = UNSET
    ok: Literal[True] = True
    time_in: float
    time_out: float
    warnings: list[str] = []


class ErrorAck(Struct, kw_only=True, frozen=True, tag_field="type", tag="ack"):
    """The answer to a request that was refused; ``field`` names what broke a rule.

    ``begins_at``, of ``REPLAY_UNAVAILABLE``: the Unix time from which all that was asked for is kept.
    """

    op: str
    id: RequestId | UnsetType = UNSET
    ok: Literal[False] = False
    time_in: float
    time_out: float
    warnings: list[str] = []
    error_code: str
    error: str
    retryable: bool
    field: str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET
    incident: str | UnsetType = UNSET
    begins_at: float | UnsetType = UNSET


class Replayed(Struct, kw_only=True, frozen=True):
    """What of the past is told first: from when to when, Unix seconds, null when nothing is there; ``speed`` times as fast."""

    begins_at: float | None
    ends_at: float | None
    speed: float


class Subscribed(Struct, kw_only=True, frozen=True):
    """One subscription that began; ``recovered`` is null when nothing was to be resumed."""

    sub: int
    stream: str
    key: str
    mode: str
    recovered: bool | None
    cursor: Cursors
    replay: Replayed | UnsetType = UNSET


class Listed(Struct, kw_only=True, frozen=True):
    """One subscription as it stands: ``skipped`` updates, of which only the newest was wanted; ``replay`` while that runs."""

    sub: int
    stream: str
    key: str
    mode: str
    interval_ms: int | UnsetType = UNSET
    cursor: Cursors
    hot: bool
    skipped: int
    replay: bool | UnsetType = UNSET


class Ended(Struct, kw_only=True, frozen=True):
    """One subscription that is over."""

    sub: int
    stream: str
    key: str


class Told(Struct, kw_only=True, frozen=True):
    """The state of one key; ``history`` where it was asked for, oldest first."""

    stream: str
    key: str
    seq: int
    cursor: str | None
    data: msgspec.Raw
    history: list[Bar] | UnsetType = UNSET


class Remaining(Struct, kw_only=True, frozen=True):
    """What the socket may still do: subscriptions, and requests at this moment."""

    subscriptions: int
    requests: int


class SubscribeAck(Ack, kw_only=True, frozen=True, tag="ack"):
    """The answer to ``subscribe``."""

    subscriptions: list[Subscribed]


class UnsubscribeAck(Ack, kw_only=True, frozen=True, tag="ack"):
    """The answer to ``unsubscribe``."""

    subscriptions: list[Ended]


class ListAck(Ack, kw_only=True, frozen=True, tag="ack"):
    """The answer to ``list``."""

    subscriptions: list[Listed]


class SnapshotAck(Ack, kw_only=True, frozen=True, tag="ack"):
    """The answer to ``snapshot``."""

    snapshots: list[Told]


class PartitionsAck(Ack, kw_only=True, frozen=True, tag="ack"):
    """The answer to ``partitions``: their names in alphabetical order."""

    partitions: list[str]


class TokenAck(Ack, kw_only=True, frozen=True, tag="ack"):
    """The answer to ``token``: until when the socket now lives, and which subscriptions its user may keep no longer."""

    token_expires_at: float | None
    subscriptions: list[Ended]


class PingAck(Ack, kw_only=True, frozen=True, tag="ack"):
    """The answer to ``ping``."""


class ExplainAck(Ack, kw_only=True, frozen=True, tag="ack"):
    """The answer to ``explain``: whether the request would be answered, by which rule, and what is left of the limits."""

    allowed: bool
    rule: str
    remaining: Remaining


class Behind(Struct, kw_only=True, frozen=True):
    """How many subscriptions are cold, and how many updates they have yet to be sent, about."""

    subscriptions: int
    updates: int


class Heartbeat(Struct, kw_only=True, frozen=True, tag_field="type", tag="heartbeat"):
    """Sent when nothing else was for ``heartbeat_s``; ``behind`` only while a subscription is cold."""

    time: float
    behind: Behind | UnsetType = UNSET


class TokenExpiring(Struct, kw_only=True, frozen=True, tag_field="type", tag="token_expiring"):
    """The token ends soon: send ``token`` with a fresh one, or be closed."""

    expires_at: float


class ErrorFrame(Struct, kw_only=True, frozen=True, tag_field="type", tag="error"):
    """An error that answers no request of known ``op``, or that comes before a close."""

    error_code: str
    error: str
    retryable: bool
    id: RequestId | UnsetType = UNSET
    field: str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET
    incident: str | UnsetType = UNSET
    connection_id: str | UnsetType = UNSET
    """Before a close: the id of ``welcome`` and of the handshake's answer, by which its end can be looked up."""


class Status(Struct, kw_only=True, frozen=True, tag_field="type", tag="status"):
    """A source fell silent or is back (``stream``, ``partition``, ``age_s``), or this server is about to stop.

    With ``sub``: its replay is over, it is live; ``recovered`` false: the rest of the past was lost, a snapshot follows.
    """

    state: Literal["live", "stale", "dead", "draining"]
    stream: str | UnsetType = UNSET
    partition: str | UnsetType = UNSET
    age_s: float | UnsetType = UNSET
    sub: int | UnsetType = UNSET
    recovered: bool | UnsetType = UNSET
    reconnect_in_ms: tuple[int, int] | UnsetType = UNSET
    deadline_s: float | UnsetType = UNSET


ACKS: dict[str, type[Ack]] = {
    "subscribe": SubscribeAck,
    "unsubscribe": UnsubscribeAck,
    "list": ListAck,
    "snapshot": SnapshotAck,
    "partitions": PartitionsAck,
    "token": TokenAck,
    "ping": PingAck,
    "explain": ExplainAck,
}
"""What each ``op`` is answered with when it succeeds."""

FRAMES: tuple[type[Struct], ...] = (Welcome, Heartbeat, Status, TokenExpiring, ErrorFrame)
"""What comes without being asked for, besides snapshots and updates."""

encode = msgspec.json.Encoder().encode
