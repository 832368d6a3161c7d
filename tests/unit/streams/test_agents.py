"""A stored event as the relay takes it: nothing is added, lost or spelled otherwise."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.streams.agents import AGENTS, key_of, record_of
from cache_streams.streams.sent import NotSendable, encode_sent

EVENT = {
    "type": "agent_thinking",
    "stream": "agents",
    "version": 1,
    "event_id": "e",
    "run_id": "r",
    "thread_id": "t",
    "user_id": "12",
    "agent_name": "triage",
    "seq": 2,
    "cursor": 415,
    "timestamp": "2026-01-05T10:00:01.004Z",
    "timestamp_ms": 1767607201004,
    "reasoning": "Hm.",
    "status": "thinking",
}
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    st.lists,
    max_leaves=5,
)


def test_the_number_is_the_cursor_and_the_key_is_the_user() -> None:
    record = record_of(EVENT)
    assert (record.key, record.number, record.time) == (key_of(12), 415, 1767607201.004)


@given(results=json, duration=st.integers(0, 10) | st.floats(0, 10))
def test_an_event_is_encoded_as_it_was_stored(results: Any, duration: float) -> None:
    event = EVENT | {"results": results, "duration": duration}
    assert msgspec.json.decode(msgspec.json.encode(record_of(event).value)) == event


def test_rows_are_the_only_source() -> None:
    with pytest.raises(NotSendable, match="append one"):
        encode_sent(AGENTS, key_of(12), {"type": "stream.update", "value": EVENT})
