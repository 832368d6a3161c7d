"""The canonical agent event and its forms on the wire: fields at top level, grouped in ``payload``, or both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

WireForm = Literal["dual", "flat", "payload"]
Json = dict[str, Any]  # Any: JSON of any shape

STREAM = "agents"
VERSION = 1
SERVER_OWNED = (
    "stream",
    "version",
    "thread_id",
    "agent_name",
    "seq",
    "cursor",
    "timestamp",
    "timestamp_ms",
    "replayed",
    "payload",
    "user_context",
)
"""Names that only the gateway fills; a producer that sends one is refused."""
COMMON = (
    "type",
    "stream",
    "version",
    "event_id",
    "run_id",
    "thread_id",
    "user_id",
    "agent_name",
    "seq",
    "cursor",
    "timestamp",
    "timestamp_ms",
    "producer_timestamp",
)
"""Members of every event; all others are specific to its type."""
_IN_PAYLOAD_TOO = ("user_id", "thread_id", "timestamp")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(moment: datetime) -> str:
    """Return RFC 3339 in UTC with milliseconds: ``2026-01-05T10:00:01.004Z``."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def timestamp_ms(moment: datetime) -> int:
    """Return Unix milliseconds, rounded down; exact, as a float would not be."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def on_the_wire(event: Mapping[str, Any], form: WireForm, *, replayed: bool) -> Json:  # Any: JSON as stored
    """Return a canonical event as a client reads it.

    ``dual`` serves readers of either style: its specific fields stand at top level and in ``payload``.
    """
    common = {name: event[name] for name in COMMON if name in event}
    specific = {name: value for name, value in event.items() if name not in common}
    frame: Json = {**common, "replayed": replayed}
    if form != "payload":
        frame |= specific
    if form != "flat":
        frame["payload"] = specific | {name: event[name] for name in _IN_PAYLOAD_TOO}
    return frame
