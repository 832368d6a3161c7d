"""Which events a socket of the agents family is told, and in which form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cache_streams.protocol.agent_forms import on_the_wire
from cache_streams.protocol.agents.rendition import AgentRendition
from cache_streams.streams.update import KeySnapshot, Update

EVENT: dict[str, Any] = {  # Any: JSON of any shape
    "type": "agent_thinking", "stream": "agents", "version": 1, "event_id": "e", "run_id": "r1", "thread_id": "t1",
    "user_id": "12", "agent_name": "a", "seq": 2, "cursor": 9, "timestamp": "2026-01-05T10:00:01.004Z",
    "timestamp_ms": 1767607201004, "reasoning": "Because.",
}  # fmt: skip
UPDATE = Update(("12",), 9, json.dumps(EVENT).encode(), None, 1.0)


@pytest.mark.parametrize("form", ["dual", "flat", "payload"])
@pytest.mark.parametrize("replayed", [False, True])
def test_an_event_is_told_in_the_wanted_form(
    form: Any, replayed: bool
) -> None:  # Any: a literal, by parameter
    (frame,) = AgentRendition(form, replayed=replayed).update(UPDATE, 0.0)
    assert json.loads(frame) == on_the_wire(EVENT, form, replayed=replayed)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (AgentRendition("flat"), 1),
        (AgentRendition("flat", run_id="r1"), 1),
        (AgentRendition("flat", run_id="r2"), 0),
        (AgentRendition("flat", thread_id="t1"), 1),
        (AgentRendition("flat", thread_id="t2"), 0),
        (AgentRendition("flat", run_id="r1", thread_id="t2"), 0),
        (AgentRendition("flat", run_id="r1", thread_id="t1"), 1),
    ],
)
def test_only_events_of_the_wanted_run_and_thread_are_told(wanted: AgentRendition, count: int) -> None:
    assert len(wanted.update(UPDATE, 0.0)) == count


def test_nothing_is_told_of_what_was_before_a_socket_joined() -> None:
    assert AgentRendition("dual").snapshot([KeySnapshot(("12",), 9, (UPDATE,))], 0.0) == []


def test_equal_wishes_share_one_rendering() -> None:
    assert {AgentRendition("dual", run_id="r"), AgentRendition("dual", run_id="r")} == {
        AgentRendition("dual", run_id="r")
    }
