"""What producers may send, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.agents.grammar import Ending, Kind, Step
from cache_streams.agents.refusals import AgentRefused, Invalid
from cache_streams.agents.wire import BATCH_MAX, EVENT_BYTES_MAX, read_event, read_events, read_start
from cache_streams.protocol.agent_forms import SERVER_OWNED

Json = dict[str, Any]
GOOD: dict[str, Json] = {
    "agent_started": {"type": "agent_started", "task": "Why?", "context": {}, "metadata": {}, "message": "m"},
    "agent_thinking": {
        "type": "agent_thinking", "reasoning": "Because.", "step_number": 1, "progress_percentage": 12.5,
    },
    "tool_executing": {
        "type": "tool_executing", "tool_name": "lookup", "parameters": {"id": 1}, "execution_id": "x1",
    },
    "tool_completed": {
        "type": "tool_completed", "tool_name": "lookup", "results": None, "duration": 0.1, "success": True,
        "execution_id": "x1", "error": "no",
    },
    "agent_completed": {
        "type": "agent_completed", "status": "success", "final_response": "Done.", "duration": 1,
        "execution_summary": {}, "error": {"code": "c", "message": "m"},
    },
}  # fmt: skip


def errors_of(body: object) -> set[str]:
    with pytest.raises(Invalid) as refused:
        read_event(body)
    return set(refused.value.errors)


@pytest.mark.parametrize("kind", Kind)
def test_all_fields_of_a_type_are_taken(kind: Kind) -> None:
    draft = read_event(GOOD[kind])
    assert draft.kind is kind
    assert draft.fields == {name: value for name, value in GOOD[kind].items() if name != "type"}


@pytest.mark.parametrize(
    ("kind", "required"),
    [
        ("agent_started", set()),
        ("agent_thinking", {"reasoning"}),
        ("tool_executing", {"tool_name", "parameters"}),
        ("tool_completed", {"tool_name", "results", "duration", "success"}),
        ("agent_completed", {"status", "final_response"}),
    ],
)
def test_missing_fields_are_all_named(kind: str, required: set[str]) -> None:
    if required:
        assert errors_of({"type": kind}) == required
    else:
        read_event({"type": kind})


@pytest.mark.parametrize("name", SERVER_OWNED)
@pytest.mark.parametrize("kind", Kind)
def test_names_of_the_gateway_are_refused(kind: Kind, name: str) -> None:
    assert errors_of({**GOOD[kind], name: "x"}) == {name}


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.COMPLETED])
def test_the_status_of_other_events_is_the_gateways(kind: Kind) -> None:
    assert errors_of({**GOOD[kind], "status": "x"}) == {"status"}


@pytest.mark.parametrize("name", ["x", "Reasoning", ""])
def test_undeclared_names_are_refused(name: str) -> None:
    assert errors_of({**GOOD["agent_thinking"], name: 1}) == {name}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("agent_started", "task", "x" * 4097),
        ("agent_started", "context", []),
        ("agent_thinking", "reasoning", ""),
        ("agent_thinking", "reasoning", "x" * 8193),
        ("agent_thinking", "step_number", 0),
        ("agent_thinking", "step_number", True),
        ("agent_thinking", "step_number", 1.5),
        ("agent_thinking", "progress_percentage", -1),
        ("agent_thinking", "progress_percentage", 100.1),
        ("agent_thinking", "progress_percentage", "50"),
        ("tool_executing", "tool_name", ""),
        ("tool_executing", "tool_name", "x" * 129),
        ("tool_executing", "parameters", None),
        ("tool_executing", "execution_id", ""),
        ("tool_executing", "execution_id", "a\nb"),
        ("tool_completed", "duration", -0.1),
        ("tool_completed", "duration", None),
        ("tool_completed", "success", 1),
        ("agent_completed", "status", "done"),
        ("agent_completed", "status", ["success"]),
        ("agent_completed", "final_response", "x" * 32_769),
        ("agent_completed", "final_response", ""),
        ("agent_completed", "error", "text"),
        ("agent_completed", "error", {"other": "x"}),
        ("agent_completed", "error", {"code": 1}),
        ("agent_thinking", "event_id", "no-uuid"),
        ("agent_thinking", "event_id", 7),
        ("agent_thinking", "expected_seq", 0),
        ("agent_thinking", "producer_timestamp", []),
        ("agent_thinking", "run_id", "a/b"),
        ("agent_thinking", "run_id", "x" * 65),
        ("agent_thinking", "user_id", "alice"),
        ("agent_thinking", "user_id", 0),
    ],
)
def test_a_value_out_of_its_bounds_is_refused_by_name(kind: str, name: str, value: object) -> None:
    assert errors_of({**GOOD[kind], name: value}) == {name}


@pytest.mark.parametrize("ending", [ending for ending in Ending if ending is not Ending.SUCCESS])
def test_only_a_success_needs_an_answer_in_words(ending: Ending) -> None:
    assert (
        read_event({"type": "agent_completed", "status": ending, "final_response": ""}).step(0).ending
        is ending
    )


@pytest.mark.parametrize(
    ("kind", "alias", "value", "name", "stored"),
    [
        ("agent_thinking", "thought", "t", "reasoning", "t"),
        ("tool_completed", "result", [1], "results", [1]),
        ("tool_completed", "execution_time_ms", 42, "duration", 0.042),
    ],
)
def test_aliases_are_stored_under_the_proper_name(
    kind: str, alias: str, value: object, name: str, stored: object
) -> None:
    body = {**GOOD[kind], alias: value}
    del body[name]
    assert read_event(body).fields[name] == stored
    assert errors_of({**GOOD[kind], alias: value}) == {alias}


def test_an_alias_of_the_wrong_type_is_refused() -> None:
    body = {**GOOD["tool_completed"], "execution_time_ms": "42"}
    del body["duration"]
    assert errors_of(body) == {"execution_time_ms"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**63, -(2**63) - 1, "\ud800", {"\ud800": 1}])
def test_what_json_or_a_database_cannot_hold_is_refused_at_any_depth(value: object) -> None:
    assert errors_of({"type": "tool_executing", "tool_name": "t", "parameters": {"a": [value]}}) == {"body"}


def nested(levels: int) -> Json:
    value: Json = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_nesting_is_bounded_with_the_event_counted() -> None:
    event = {"type": "tool_executing", "tool_name": "t"}
    read_event({**event, "parameters": nested(15)})
    assert errors_of({**event, "parameters": nested(16)}) == {"body"}
    assert errors_of({**event, "parameters": nested(5000)}) == {"body"}


def test_an_event_is_bounded_in_bytes() -> None:
    body = {"type": "tool_executing", "tool_name": "t", "parameters": {"a": ""}}
    room = EVENT_BYTES_MAX - len('{"type":"tool_executing","tool_name":"t","parameters":{"a":""}}')
    read_event({**body, "parameters": {"a": "x" * room}})
    with pytest.raises(AgentRefused) as refused:
        read_event({**body, "parameters": {"a": "x" * (room + 1)}})
    assert refused.value.code == "TOO_LARGE"


@pytest.mark.parametrize(
    "body", [None, [], "agent_thinking", 7, {}, {"type": "x"}, {"type": ["agent_thinking"]}]
)
def test_what_is_no_event_is_refused(body: object) -> None:
    assert errors_of(body) <= {"body", "type"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*GOOD["tool_completed"], "events"]), inner)
        ),
    )
)
def test_any_json_is_read_or_refused_and_nothing_else_happens(body: object) -> None:
    for read in (read_events, read_start):
        try:
            read(body)
        except AgentRefused:
            continue


def test_secrets_in_parameters_and_results_are_masked() -> None:
    executing = read_event({**GOOD["tool_executing"], "parameters": {"api_key": "k", "q": 1}})
    completed = read_event({**GOOD["tool_completed"], "results": [{"token": "t"}]})
    assert executing.fields["parameters"] == {"api_key": "***", "q": 1}
    assert completed.fields["results"] == [{"token": "***"}]


def test_equal_contents_have_equal_digests_whatever_their_order_and_alias() -> None:
    one = read_event({"type": "agent_thinking", "reasoning": "r", "step_number": 1})
    other = read_event({"step_number": 1, "thought": "r", "type": "agent_thinking", "expected_seq": 5})
    assert one.digest == other.digest
    assert one.digest != read_event({"type": "agent_thinking", "reasoning": "s", "step_number": 1}).digest


def test_masked_values_still_count_for_the_digest() -> None:
    keys = [read_event({**GOOD["tool_executing"], "parameters": {"token": t}}).digest for t in "ab"]
    assert keys[0] != keys[1]


def test_a_uuid_is_stored_in_one_spelling() -> None:
    draft = read_event({**GOOD["agent_thinking"], "event_id": "5F0C2B7E91AA4C1D8E2F000000000001"})
    assert draft.event_id == "5f0c2b7e-91aa-4c1d-8e2f-000000000001"


def test_a_draft_shows_the_grammar_what_it_looks_at() -> None:
    assert read_event(GOOD["tool_executing"]).step(7) == Step(Kind.TOOL_EXECUTING, "x1", "lookup", None, 7)


@pytest.mark.parametrize("events", [[], "x", None, [GOOD["agent_thinking"]] * (BATCH_MAX + 1)])
def test_a_batch_has_one_to_a_hundred_events(events: object) -> None:
    with pytest.raises(Invalid) as refused:
        read_events({"events": events})
    assert set(refused.value.errors) == {"events"}


def test_a_wrong_event_of_a_batch_is_named_by_its_place() -> None:
    with pytest.raises(Invalid) as refused:
        read_events({"events": [GOOD["agent_thinking"], {"type": "agent_thinking", "reasoning": 1}]})
    assert set(refused.value.errors) == {"events.1.reasoning"}


def test_a_batch_has_no_other_fields() -> None:
    with pytest.raises(Invalid) as refused:
        read_events({"events": [GOOD["agent_thinking"]], "seq": 1})
    assert set(refused.value.errors) == {"seq"}


def test_a_start_is_read_with_its_defaults() -> None:
    draft = read_start({"agent_name": "triage"})
    assert (draft.run_id, draft.thread_id, draft.user_id) == (None, None, None)
    assert (draft.strict, draft.emit_started, draft.started) == (False, True, {})


def test_a_start_is_read_with_everything() -> None:
    draft = read_start(
        {
            "agent_name": "triage", "run_id": "run-7", "thread_id": "th 2", "task": "t", "profile": "strict",
            "context": {"token": "x"}, "metadata": {}, "user_id": "12", "emit_started": False,
        }
    )  # fmt: skip
    assert (draft.run_id, draft.thread_id, draft.user_id) == ("run-7", "th 2", 12)
    assert (draft.strict, draft.emit_started) == (True, False)
    assert draft.started == {"task": "t", "context": {"token": "***"}, "metadata": {}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("agent_name", ""),
        ("agent_name", "a\x00b"),
        ("agent_name", "x" * 65),
        ("run_id", "a b"),
        ("thread_id", ""),
        ("profile", "lax"),
        ("emit_started", "yes"),
        ("status", "started"),
        ("cursor", 1),
    ],
)
def test_a_start_out_of_its_bounds_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        read_start({"agent_name": "triage", name: value})
    assert set(refused.value.errors) == {name}
