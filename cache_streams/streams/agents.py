"""Agents: what the runs of one user's agents report, in one order over all of them."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from cache_streams.streams.declaration import Audience, Key, Kind, Mode, Parts, Record, Rows, Stream

Json = Any  # Any: JSON as a producer sent it, checked and masked before it was stored
JsonObject = dict[str, Json]
NOTICES = "agents:notices"
"""The Redis Stream of notices, below the gateway's prefix."""


class AgentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event: common fields first, then those of its ``type``; what a type does not have is absent.

    ``seq`` counts without gaps in the run, ``cursor`` in all runs of the user. ``timestamp`` is RFC 3339, and
    ``timestamp_ms`` the same instant in Unix milliseconds. ``duration`` is in seconds.
    """

    type: str
    stream: str
    version: int
    event_id: str
    run_id: str
    thread_id: str
    user_id: str
    agent_name: str
    seq: int
    cursor: int
    timestamp: str
    timestamp_ms: int
    producer_timestamp: str | int | float | UnsetType = UNSET
    status: str | UnsetType = UNSET
    task: str | UnsetType = UNSET
    user_context: JsonObject | UnsetType = UNSET
    context: JsonObject | UnsetType = UNSET
    metadata: JsonObject | UnsetType = UNSET
    message: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    step_number: int | UnsetType = UNSET
    progress_percentage: int | float | UnsetType = UNSET
    tool_name: str | UnsetType = UNSET
    parameters: JsonObject | UnsetType = UNSET
    execution_id: str | UnsetType = UNSET
    results: Json | UnsetType = UNSET
    duration: int | float | UnsetType = UNSET
    success: bool | UnsetType = UNSET
    final_response: str | UnsetType = UNSET
    execution_summary: JsonObject | UnsetType = UNSET
    error: str | JsonObject | UnsetType = UNSET


def key_of(user_id: int) -> Key:
    """Return the key of everything that one user's agents report."""
    return (str(user_id),)


def record_of(event: JsonObject) -> Record:
    """Return a stored event as the relay takes it; its number is the cursor. Raises: ``msgspec.ValidationError``."""
    value = msgspec.convert(event, AgentEvent)
    return Record((value.user_id,), value, time=value.timestamp_ms / 1000, number=value.cursor)


AGENTS = Stream(
    name="agents",
    payload=AgentEvent,
    key_fields=("user",),
    kind=Kind.TAIL,
    mode=Mode.EVERY,
    audience=Audience.SELF,
    owner="user",
    layout=Rows(NOTICES),
    parts=Parts((("run", "run_id"), ("thread", "thread_id")), series="run_id", number="seq"),
    modes=frozenset({Mode.EVERY}),  # a run is a story: its newest event alone says nothing
)
