"""What the agents family sends besides events."""

from __future__ import annotations

import json

import pytest
from msgspec import Struct

from cache_streams.protocol.agents.frames import (
    ErrorFrame,
    Healthy,
    Heartbeat,
    HeartbeatAck,
    Ids,
    Ignored,
    Pong,
    ReplayComplete,
    Reply,
    ResumeGap,
    Rhythm,
    ServerShutdown,
    Standing,
    Stats,
    TokenExpiring,
    Welcome,
    encode,
    error_frame,
)
from cache_streams.protocol.agents.requests import EVENTS
from cache_streams.protocol.strict_json import Json

NOW = "2026-01-05T10:00:01.004Z"


def told(frame: Struct) -> dict[str, Json]:
    body: dict[str, Json] = json.loads(encode(frame))
    return body


def refusal(code: str = "INVALID_PARAMS", **more: Json) -> dict[str, Json]:
    return told(error_frame(code, "No.", NOW, **more))


def test_the_welcome_names_all_that_a_client_needs_and_both_places_of_the_ids() -> None:
    frame = told(
        Welcome(
            connection_id="c-1", client_id=None, user_id="12", username="ann", roles=["trader"],
            permissions=["read"], auth_method="bearer", subprotocol=None, token_expires_at=None,
            log=Standing(log_id="l", tail=9, oldest=3, resume_after=8), active_runs=[],
            heartbeat=Rhythm(interval_s=25, timeout_s=60), server_time=NOW,
            data=Ids(connection_id="c-1", user_id="12"),
        )
    )  # fmt: skip
    assert frame == {
        "type": "connection_established", "stream": "agents", "protocol": "agents.v1", "connection_id": "c-1",
        "client_id": None, "user_id": "12", "username": "ann", "roles": ["trader"], "permissions": ["read"],
        "auth_method": "bearer", "subprotocol": None, "token_expires_at": None, "events": list(EVENTS),
        "log": {"log_id": "l", "tail": 9, "oldest": 3, "resume_after": 8}, "active_runs": [],
        "heartbeat": {"interval_s": 25, "timeout_s": 60}, "server_time": NOW,
        "data": {"connection_id": "c-1", "user_id": "12", "mode": "main"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "body"),
    [
        (
            Heartbeat(
                connection_id="c-1",
                timestamp=NOW,
                cursor=4,
                stats=Stats(events_sent=2, messages_received=1),
            ),
            {
                "type": "heartbeat",
                "connection_id": "c-1",
                "timestamp": NOW,
                "cursor": 4,
                "stats": {"events_sent": 2, "messages_received": 1},
            },
        ),
        (
            HeartbeatAck(timestamp=NOW, data=Healthy(timestamp=NOW)),
            {"type": "heartbeat_ack", "timestamp": NOW, "data": {"status": "healthy", "timestamp": NOW}},
        ),
        (Ignored(received_type="x"), {"type": "ack", "received_type": "x", "status": "ignored"}),
        (
            Reply(request_id=None, action="ack", result={}),
            {"request_id": None, "action": "ack", "success": True, "result": {}},
        ),
        (TokenExpiring(expires_at=NOW), {"type": "token_expiring", "expires_at": NOW}),
        (ReplayComplete(cursor=7), {"type": "replay_complete", "cursor": 7}),
        (
            ResumeGap(requested=1, oldest=4, lost=2, reason="trimmed"),
            {"type": "resume_gap", "requested": 1, "oldest": 4, "lost": 2, "reason": "trimmed"},
        ),
        (ServerShutdown(retry_after_ms=500), {"type": "server_shutdown", "retry_after_ms": 500}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Struct) else "",
)
def test_a_frame_says_exactly(frame: Struct, body: dict[str, Json]) -> None:
    assert told(frame) == body


def test_a_pong_repeats_what_was_sent() -> None:
    frame = told(Pong(timestamp=NOW, echo={"n": 1}, data={"timestamp": NOW}))
    assert frame == {"type": "pong", "timestamp": NOW, "echo": {"n": 1}, "data": {"timestamp": NOW}}


def test_a_pong_names_the_request_that_had_a_name() -> None:
    assert told(Pong(timestamp=NOW, echo=None, data={}, request_id="q"))["request_id"] == "q"


def test_a_refusal_says_why_twice_for_readers_of_either_shape() -> None:
    assert refusal() == {
        "type": "error", "success": False, "error_code": "INVALID_PARAMS", "error": "No.", "error_message": "No.",
        "details": {}, "request_id": None, "retryable": False, "timestamp": NOW,
    }  # fmt: skip


def test_a_refusal_names_its_request_and_its_details() -> None:
    frame = refusal(details={"tail": 3}, request_id="q", action="subscribe")
    assert (frame["details"], frame["request_id"], frame["action"]) == ({"tail": 3}, "q", "subscribe")


@pytest.mark.parametrize("code", ["RATE_LIMITED", "TOO_MANY_CONNECTIONS", "INTERNAL_ERROR"])
def test_what_passes_by_itself_may_be_tried_again(code: str) -> None:
    assert refusal(code)["retryable"] is True


def test_an_ended_token_is_told_under_a_type_of_its_own() -> None:
    assert isinstance(error_frame("TOKEN_EXPIRED", "No.", NOW), ErrorFrame)
    assert refusal("TOKEN_EXPIRED")["type"] == "auth_required"
