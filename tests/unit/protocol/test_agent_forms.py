"""The forms in which one canonical event is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from cache_streams.protocol.agent_forms import COMMON, on_the_wire, timestamp, timestamp_ms

EVENT: dict[str, Any] = {
    "type": "agent_thinking", "stream": "agents", "version": 1, "event_id": "e", "run_id": "r", "thread_id": "t",
    "user_id": "12", "agent_name": "a", "seq": 2, "cursor": 9, "timestamp": "2026-01-05T10:00:01.004Z",
    "timestamp_ms": 1767607201004, "reasoning": "Because.", "status": "thinking",
}  # fmt: skip
SPECIFIC = {"reasoning": "Because.", "status": "thinking"}
PAYLOAD = {**SPECIFIC, "user_id": "12", "thread_id": "t", "timestamp": "2026-01-05T10:00:01.004Z"}


def test_the_dual_form_serves_readers_of_either_style() -> None:
    frame = on_the_wire(EVENT, "dual", replayed=False)
    assert frame == {**EVENT, "replayed": False, "payload": PAYLOAD}


def test_the_flat_form_has_no_payload() -> None:
    assert on_the_wire(EVENT, "flat", replayed=True) == {**EVENT, "replayed": True}


def test_the_payload_form_has_the_common_members_alone_at_top_level() -> None:
    frame = on_the_wire(EVENT, "payload", replayed=True)
    assert set(frame) == (set(COMMON) - {"producer_timestamp"}) | {"replayed", "payload"}
    assert frame["payload"] == PAYLOAD


def test_a_producers_timestamp_is_a_common_member() -> None:
    frame = on_the_wire({**EVENT, "producer_timestamp": 1.5}, "payload", replayed=False)
    assert frame["producer_timestamp"] == 1.5
    assert "producer_timestamp" not in frame["payload"]


@pytest.mark.parametrize(
    ("moment", "text", "milliseconds"),
    [
        (datetime(2026, 1, 5, 10, 0, 1, 4999, UTC), "2026-01-05T10:00:01.004Z", 1767607201004),
        (
            datetime(2026, 1, 5, 12, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-05T10:00:00.000Z",
            1767607200000,
        ),
    ],
)
def test_times_are_told_in_utc_with_milliseconds(moment: datetime, text: str, milliseconds: int) -> None:
    assert (timestamp(moment), timestamp_ms(moment)) == (text, milliseconds)
