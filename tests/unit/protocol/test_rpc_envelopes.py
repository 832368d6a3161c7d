"""The frames of the RPC family."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol.rpc import envelopes
from cache_streams.protocol.rpc.actions import ACTIONS
from cache_streams.protocol.rpc.requests import Refused, Request, parse_domain

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
json_objects = st.dictionaries(st.text(), json_values, max_size=4)


def request(action: str = "get_ticker", request_id: object = "r1", requested: str | None = None) -> Request:
    return Request(ACTIONS[action], requested or action, request_id, {})


def test_success_is_shape_1() -> None:
    assert json.loads(envelopes.success(request(), {"price": 1.5})) == {
        "request_id": "r1",
        "action": "get_ticker",
        "success": True,
        "result": {"price": 1.5},
    }


def test_not_found_is_shape_2_with_the_actions_own_code() -> None:
    assert json.loads(envelopes.not_found(request(), "text")) == {
        "request_id": "r1",
        "action": "get_ticker",
        "success": False,
        "error_code": "TICKER_NOT_FOUND",
        "error": "text",
    }


def test_failure_is_shape_3() -> None:
    assert json.loads(envelopes.failure("CACHE_ERROR", "text", 5)) == {
        "request_id": 5,
        "success": False,
        "error_code": "CACHE_ERROR",
        "error": "text",
    }


def test_failure_names_the_action_when_it_is_known() -> None:
    assert json.loads(envelopes.failure("CACHE_ERROR", "text", None, "get_bots"))["action"] == "get_bots"


def test_a_confirmation_is_shape_4_under_the_requested_name() -> None:
    shape = json.loads(envelopes.confirmation(request("stream_ohlcv", "s1", "stream_ohlcv_updates"), "c1:s1"))
    assert shape.pop("message")
    assert shape == {
        "request_id": "s1",
        "action": "stream_ohlcv_updates",
        "success": True,
        "stream_key": "c1:s1",
    }


@given(json_values, json_objects.filter(lambda rest: "stream_key" not in rest), st.text())
def test_prefix_and_body_are_one_update_frame(request_id: object, rest: dict[str, object], key: str) -> None:
    frame = envelopes.update_prefix(request("stream_tickers", request_id), key) + envelopes.update_body(rest)
    assert json.loads(frame) == {
        "request_id": request_id,
        "action": "ticker_update",
        "result": {"stream_key": key, **rest},
    }


@given(json_values)
def test_a_request_id_comes_back_as_it_was_sent(request_id: object) -> None:
    sent = parse_domain(json.dumps({"action": "get_bots", "request_id": request_id}))
    assert json.loads(envelopes.success(sent, {}))["request_id"] == request_id


@pytest.mark.parametrize(
    ("request_id", "key"),
    [("s1", "c1:s1"), (None, "c1:u7"), (5, "c1:5"), ("", "c1:"), ({"a": [1]}, 'c1:{"a":[1]}'), ("é", "c1:é")],
)
def test_a_stream_key_is_connection_and_request(request_id: object, key: str) -> None:
    assert envelopes.stream_key("c1", request_id, "u7") == key


def test_the_base_answer_has_all_seven_keys() -> None:
    assert json.loads(envelopes.base_success("r1", {"status": "ok"}, 5.5, 0.25)) == {
        "request_id": "r1",
        "success": True,
        "result": {"status": "ok"},
        "error": None,
        "error_code": None,
        "timestamp": 5.5,
        "latency_ms": 0.25,
    }


def test_a_latency_is_never_negative() -> None:
    assert json.loads(envelopes.base_success("r1", {}, 5.5, -1.0))["latency_ms"] == 0.0


def test_the_base_error_says_that_it_is_none() -> None:
    assert json.loads(envelopes.base_error("INVALID_OPERATION", "text", "r1", 5.5)) == {
        "request_id": "r1",
        "success": False,
        "error": "text",
        "error_code": "INVALID_OPERATION",
        "timestamp": 5.5,
        "details": None,
    }


@pytest.mark.parametrize("base", [True, False])
def test_a_refusal_has_the_shape_of_the_endpoint(base: bool) -> None:
    refused = Refused("INVALID_PARAMS", "text", "r1", "get_bots", base=base)
    shape = json.loads(envelopes.refusal(refused, 5.5))
    assert (shape["request_id"], shape["error_code"], shape["error"]) == ("r1", "INVALID_PARAMS", "text")
    assert ("timestamp" in shape) is base
    assert ("action" in shape) is not base
