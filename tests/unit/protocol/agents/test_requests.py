"""What a client of the agents family may send, and how it is told what it may not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol.agents.requests import (
    ACTIONS,
    EVENTS,
    REQUEST_ID_CHARACTERS,
    RUN_TYPES,
    BadFrame,
    Request,
    as_query,
    asked_text,
    read_frame,
    text_param,
)
from cache_streams.protocol.strict_json import Json


def read(body: Json) -> Request:
    return read_frame(json.dumps(body))


def fault(of: Callable[[], object]) -> BadFrame:
    with pytest.raises(BadFrame) as caught:
        of()
    return caught.value


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_read_with_its_params_and_id(action: str) -> None:
    body = {"action": action, "params": {"a": 1}, "request_id": "q"}
    assert read(body) == Request(action, {"a": 1}, "q")


def test_an_action_needs_no_params() -> None:
    assert read({"action": "list_runs"}) == Request("list_runs", {})


@pytest.mark.parametrize("place", ["action", "type"])
@pytest.mark.parametrize(("more", "echo"), [({"timestamp": 5, "id": 7}, 5), ({"id": 7}, 7), ({}, None)])
def test_a_ping_is_echoed_by_its_timestamp_or_its_id(place: str, more: Json, echo: Json) -> None:
    request = read({place: "ping", **more})
    assert (request.action, request.params) == ("ping", {"timestamp": echo})


def test_a_ping_with_params_keeps_them() -> None:
    assert read({"action": "ping", "params": {}, "timestamp": 5}).params == {}


@pytest.mark.parametrize("frame", ["", "{", '{"action":NaN}', "[]", "1", "null", "{}", '{"type":1}'])
def test_what_asks_nothing_is_malformed(frame: str) -> None:
    assert fault(lambda: read_frame(frame)).code == "MALFORMED_MESSAGE"


def test_a_frame_without_a_type_is_refused_under_its_id() -> None:
    assert fault(lambda: read({"request_id": "q"})).request_id == "q"


@pytest.mark.parametrize("request_id", [1, True, [], {}, "x" * (REQUEST_ID_CHARACTERS + 1)])
def test_an_id_is_a_short_text(request_id: Json) -> None:
    bad = fault(lambda: read({"action": "ping", "request_id": request_id}))
    assert (bad.code, bad.request_id) == ("INVALID_PARAMS", None)
    assert "request_id" in bad.text


def test_an_id_may_be_as_long_as_the_limit() -> None:
    longest = "x" * REQUEST_ID_CHARACTERS
    assert read({"action": "ping", "request_id": longest}).request_id == longest


@pytest.mark.parametrize("action", ["dance", "", None, 1, ["ping"], "heartbeat"])
def test_an_unknown_action_is_answered_under_its_id(action: Json) -> None:
    bad = fault(lambda: read({"action": action, "request_id": "q"}))
    assert (bad.code, bad.request_id, bad.action) == ("INVALID_OPERATION", "q", None)


@pytest.mark.parametrize("params", [[], "x", 1, False])
def test_params_are_an_object(params: Json) -> None:
    bad = fault(lambda: read({"action": "ack", "params": params, "request_id": "q"}))
    assert (bad.code, bad.request_id, bad.action) == ("INVALID_PARAMS", "q", "ack")


@pytest.mark.parametrize("told", EVENTS)
def test_an_event_asks_to_be_published(told: str) -> None:
    request = read({"type": told, "run_id": "r", "x": 1, "request_id": "q"})
    event = {"type": told, "run_id": "r", "x": 1}
    assert request == Request("publish", {"run_id": "r", "event": event}, "q", told)


@pytest.mark.parametrize("told", RUN_TYPES)
def test_a_message_of_a_person_asks_for_an_agent(told: str) -> None:
    assert read({"type": told, "text": "Why?"}) == Request(
        "run_agent", {"type": told, "text": "Why?"}, None, told
    )


@pytest.mark.parametrize(("told", "action"), [("heartbeat", "heartbeat"), ("dance", "noise"), ("", "noise")])
def test_other_types_ask_for_nothing(told: str, action: str) -> None:
    assert read({"type": told}) == Request(action, {"type": told}, None, told)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_code(frame: str) -> None:
    try:
        told = read_frame(frame).action
    except BadFrame as bad:
        told = bad.code
    assert told in {
        *ACTIONS,
        "heartbeat",
        "noise",
        "MALFORMED_MESSAGE",
        "INVALID_PARAMS",
        "INVALID_OPERATION",
    }


@pytest.mark.parametrize("name", ["text", "message", "content", "user_request", "query", "task"])
def test_what_is_wanted_stands_under_any_of_its_names_in_the_frame_or_its_payload(name: str) -> None:
    assert asked_text({name: "Why?"}) == "Why?"
    assert asked_text({name: " ", "payload": {name: "Why?"}}) == "Why?"


def test_the_frame_itself_goes_before_its_payload() -> None:
    assert asked_text({"task": "This.", "payload": {"text": "That."}}) == "This."


@pytest.mark.parametrize(
    "params", [{}, {"text": ""}, {"text": 1}, {"payload": "x"}, {"payload": {"text": None}}]
)
def test_a_message_that_wants_nothing_is_refused(params: Json) -> None:
    assert fault(lambda: asked_text(params)).code == "INVALID_PARAMS"


@pytest.mark.parametrize(
    ("params", "value"), [({}, None), ({"a": None}, None), ({"a": "x"}, "x"), ({"a": ""}, "")]
)
def test_a_text_parameter_may_be_missing(params: Json, value: str | None) -> None:
    assert text_param(params, "a") == value


@pytest.mark.parametrize("value", [0, False, [], {}])
def test_a_text_parameter_of_another_kind_is_refused_by_name(value: Json) -> None:
    bad = fault(lambda: text_param({"thread_id": value}, "thread_id"))
    assert (bad.code, bad.text) == ("INVALID_PARAMS", "thread_id must be a text")


def test_params_become_the_query_of_the_same_request() -> None:
    assert as_query({"a": "x", "b": 7, "c": None}) == {"a": "x", "b": "7"}


@pytest.mark.parametrize("value", [True, 1.5, [], {}])
def test_a_parameter_that_no_query_can_hold_is_refused_by_name(value: Json) -> None:
    bad = fault(lambda: as_query({"limit": value}))
    assert (bad.code, bad.text) == ("INVALID_PARAMS", "limit must be a text or a whole number")
