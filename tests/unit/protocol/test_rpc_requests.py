"""From frames to requests, and what is refused how."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol.rpc import queries
from cache_streams.protocol.rpc.actions import ACTIONS, BASE_OPERATIONS, SYNONYMS
from cache_streams.protocol.rpc.requests import (
    REQUEST_ID_BYTES_LIMIT,
    Refused,
    Request,
    parse_base,
    parse_domain,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def frame(**fields: object) -> str:
    return json.dumps(fields)


def refused_domain(text: str | bytes, domain: str | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        parse_domain(text, domain).query()
    return caught.value


def refused_base(text: str | bytes, *, base_dispatch: bool = False) -> Refused:
    with pytest.raises(Refused) as caught:
        parse_base(text, base_dispatch=base_dispatch).query()
    return caught.value


@pytest.mark.parametrize("wire", ["x", "[1]", "null", "5", '{"a":NaN}', "[" * 40, b"\xff\x00"])
def test_what_is_no_json_object_is_malformed_everywhere(wire: str | bytes) -> None:
    for refused in (refused_domain(wire), refused_base(wire)):
        assert refused.code == "MALFORMED_MESSAGE"
        assert "Malformed JSON" in refused.text
        assert refused.request_id is None
    assert not refused_domain(wire).base
    assert refused_base(wire).base


def test_a_binary_frame_is_read_like_a_text() -> None:
    assert parse_domain(frame(action="get_bots").encode()).action.name == "get_bots"


@pytest.mark.parametrize("request_id", [None, "r1", "", 5, 1.5, True, [1], {"a": [None]}, 2**70])
def test_a_domain_request_id_is_any_json(request_id: object) -> None:
    assert parse_domain(frame(action="ping", request_id=request_id)).request_id == request_id


def test_an_absent_domain_request_id_is_null() -> None:
    assert parse_domain(frame(action="ping")).request_id is None


def test_operation_is_a_synonym_of_action() -> None:
    assert parse_domain(frame(operation="get_bots")).requested == "get_bots"


def test_action_wins_over_operation() -> None:
    assert parse_domain(frame(action="get_bots", operation="ping")).requested == "get_bots"
    assert refused_domain(frame(action=None, operation="ping")).code == "INVALID_OPERATION"


@pytest.mark.parametrize("action", [None, 5, "", "nonesuch", ["ping"]])
def test_an_unknown_action_is_refused_with_its_request_id(action: object) -> None:
    refused = refused_domain(frame(action=action, request_id="r1"))
    assert (refused.code, refused.request_id, refused.requested) == ("INVALID_OPERATION", "r1", None)
    assert "not" in refused.text


def test_the_text_about_an_unknown_action_is_short_and_ends_as_known_clients_read_it() -> None:
    text = refused_domain(frame(action="x" * 5000)).text
    assert text.endswith("not implemented")
    assert len(text) < 200


def test_a_domain_knows_its_own_actions_and_those_of_all() -> None:
    assert parse_domain(frame(action="get_ticker"), "tickers").action is ACTIONS["get_ticker"]
    assert parse_domain(frame(action="unsubscribe"), "tickers").action is ACTIONS["unsubscribe"]
    assert refused_domain(frame(action="get_ticker"), "orders").code == "INVALID_OPERATION"


@pytest.mark.parametrize("synonym", SYNONYMS)
def test_a_synonym_keeps_the_name_it_was_asked_by(synonym: str) -> None:
    request = parse_domain(frame(action=synonym))
    assert request.requested == synonym
    assert request.action is ACTIONS[SYNONYMS[synonym]]


@pytest.mark.parametrize("fields", [{}, {"params": None}, {"params": {}}])
def test_absent_and_null_parameters_are_none(fields: dict[str, object]) -> None:
    assert parse_domain(frame(action="get_bots", **fields)).params == {}


@pytest.mark.parametrize("params", [[], "x", 5, True])
def test_parameters_that_are_no_object_are_refused(params: object) -> None:
    refused = refused_domain(frame(action="get_bots", params=params, request_id=1))
    assert (refused.code, refused.request_id, refused.requested) == ("INVALID_PARAMS", 1, "get_bots")


def test_a_missing_parameter_is_refused_with_field_action_and_request_id() -> None:
    refused = refused_domain(frame(action="get_user_balance", request_id="r", params={"currency": "BTC"}))
    assert (refused.code, refused.text) == ("INVALID_PARAMS", "user_id: is required")
    assert (refused.request_id, refused.requested, refused.base) == ("r", "get_user_balance", False)


def test_a_request_knows_what_it_asks_for() -> None:
    request = parse_domain(frame(action="get_ticker", params={"exchange": "kraken", "symbol": "BTC/USDC"}))
    assert request.query() == queries.MarketQuery("kraken", "BTC/USDC")


def test_a_request_id_that_every_update_would_repeat_is_bounded() -> None:
    assert parse_domain(frame(action="ping", request_id="x" * (REQUEST_ID_BYTES_LIMIT - 2))).request_id
    refused = refused_domain(frame(action="ping", request_id="x" * (REQUEST_ID_BYTES_LIMIT - 1)))
    assert (refused.code, refused.request_id) == ("INVALID_OPERATION", None)
    assert "4096" in refused.text


@pytest.mark.parametrize("operation", ["ping", "health_check"])
def test_the_base_endpoint_serves_two_operations(operation: str) -> None:
    request = parse_base(frame(operation=operation, request_id="r1", extra=1, timestamp=1.5))
    assert (request.requested, request.request_id, request.params, request.base) == (
        operation,
        "r1",
        {},
        True,
    )


@pytest.mark.parametrize("operation", sorted(BASE_OPERATIONS - {"ping", "health_check"}))
def test_the_other_recognised_operations_are_not_implemented(operation: str) -> None:
    refused = refused_base(frame(operation=operation, request_id="r1"))
    assert (refused.code, refused.request_id, refused.base) == ("INVALID_OPERATION", "r1", True)
    assert "not implemented" in refused.text


@pytest.mark.parametrize("operation", ["nonesuch", "", "get_bot_status"])
def test_an_unknown_operation_is_refused_in_the_words_that_a_test_asserts(operation: str) -> None:
    refused = refused_base(frame(operation=operation, request_id="r1"))
    assert (refused.code, refused.request_id) == ("INVALID_OPERATION", "r1")
    assert "Invalid FastAPI WebSocket operation" in refused.text


@pytest.mark.parametrize(
    ("fields", "echoed"),
    [
        ({}, None),
        ({"operation": None, "request_id": "r"}, "r"),
        ({"operation": 5, "request_id": 5}, 5),
        ({"operation": "ping", "request_id": None}, None),
        ({"operation": "ping", "request_id": True}, None),
        ({"operation": "ping", "request_id": ["r"]}, None),
        ({"operation": "ping", "request_id": "x" * 5000}, None),
        ({"operation": "ping", "request_id": "r", "params": None}, "r"),
        ({"operation": "ping", "request_id": "r", "params": []}, "r"),
        ({"operation": "ping", "request_id": "r", "timestamp": None}, "r"),
        ({"operation": "ping", "request_id": "r", "timestamp": "now"}, "r"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused(fields: dict[str, object], echoed: object) -> None:
    refused = refused_base(frame(**fields))
    assert (refused.code, refused.request_id, refused.base) == ("INVALID_OPERATION", echoed, True)


def test_a_numeric_request_id_is_echoed_as_given() -> None:
    assert parse_base(frame(operation="ping", request_id=5)).request_id == 5


def test_a_request_without_id_gets_a_fresh_one() -> None:
    assert parse_base(frame(operation="ping"), fresh_id=lambda: "fresh").request_id == "fresh"
    assert len(parse_base(frame(operation="ping")).request_id) == 36


def test_base_dispatch_serves_every_action_under_operation() -> None:
    wire = frame(operation="get_bot_status", request_id="r", params={"bot_id": 7})
    request = parse_base(wire, base_dispatch=True)
    assert (request.query(), request.base) == (queries.BotQuery("7"), True)


def test_base_dispatch_refuses_bad_parameters_in_the_base_shape() -> None:
    refused = refused_base(frame(operation="get_ticker", request_id="r"), base_dispatch=True)
    assert (refused.code, refused.base) == ("INVALID_PARAMS", True)


def test_a_frame_with_action_is_a_domain_request_on_the_base_endpoint() -> None:
    request = parse_base(frame(action="get_bots", request_id={"any": "json"}))
    assert (request.action, request.base, request.request_id) == (ACTIONS["get_bots"], False, {"any": "json"})
    refused = refused_base(frame(action="nonesuch"))
    assert (refused.code, refused.base) == ("INVALID_OPERATION", False)


def test_operation_wins_over_action_on_the_base_endpoint() -> None:
    assert parse_base(frame(action="get_bots", operation="ping")).base


fields = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from([*ACTIONS, *SYNONYMS]) | json_values,
        "operation": st.sampled_from(sorted(BASE_OPERATIONS)) | json_values,
        "request_id": json_values,
        "params": st.dictionaries(st.sampled_from(["exchange", "symbol", "user_id", "count"]), json_values)
        | json_values,
        "timestamp": json_values,
    },
)


@given(st.binary() | st.text() | json_values.map(json.dumps) | fields.map(json.dumps), st.booleans())
def test_whatever_is_sent_is_a_request_or_a_refusal(wire: str | bytes, base_dispatch: bool) -> None:
    for parse in (parse_domain, lambda sent: parse_base(sent, base_dispatch=base_dispatch)):
        with contextlib.suppress(Refused):
            request: Any = parse(wire)
            assert isinstance(request, Request)
            request.query()
