import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol.native.errors import BY_CODE, Refused
from cache_streams.protocol.native.requests import (
    OPERATIONS,
    Explain,
    Head,
    HeadRefused,
    Subscribe,
    Token,
    Unsubscribe,
    mode_of,
    read,
    read_head,
)
from cache_streams.streams import by_name
from cache_streams.streams.declaration import Mode

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def head_fault(frame: str) -> HeadRefused:
    with pytest.raises(HeadRefused) as caught:
        read_head(frame)
    return caught.value


def fault(form: type, **fields: Any) -> Refused:  # Any: whatever a client may send
    with pytest.raises(Refused) as caught:
        read(form, fields)
    return caught.value


@pytest.mark.parametrize("op", OPERATIONS)
@pytest.mark.parametrize("request_id", [None, "a", "", 7, 0, -1, 2**63 - 1])
def test_a_request_is_known_by_its_op_and_id(op: str, request_id: object) -> None:
    head = read_head(json.dumps({"op": op, "id": request_id, "x": 1}))
    assert (head.op, head.id, head.given["x"]) == (op, request_id, 1)


@pytest.mark.parametrize("frame", ["", "{", "[]", "1", "null", '{"op":NaN}', "{}", '{"op":1}', '{"op":null}'])
def test_what_names_no_operation_is_malformed(frame: str) -> None:
    assert head_fault(frame).refused.code == "MALFORMED_MESSAGE"


def test_an_unknown_operation_is_answered_under_its_own_name_and_id() -> None:
    refused = head_fault('{"op":"dance","id":7}')
    assert (refused.refused.code, refused.op, refused.id) == ("INVALID_OPERATION", "dance", 7)


def test_a_name_of_an_operation_is_repeated_only_so_far() -> None:
    assert head_fault(json.dumps({"op": "x" * 1000})).op == "x" * 64


@pytest.mark.parametrize("request_id", [True, 1.5, [], {}, "x" * 129, 2**63])
def test_an_id_that_cannot_be_repeated_is_refused(request_id: object) -> None:
    refused = head_fault(json.dumps({"op": "ping", "id": request_id}))
    assert (refused.refused.field, refused.id) == ("id", None)


@pytest.mark.parametrize(
    ("field", "value"),
    [("mode", "fast"), ("mode", 1), ("interval_ms", 49), ("interval_ms", 60_001), ("interval_ms", 50.5),
     ("interval_ms", "50"), ("snapshot", "yes"), ("snapshot", 1), ("since", 7), ("since", [1]), ("since", {"k": 1}),
     ("stream", 7), ("replay", 5), ("replay", {"from": -1}), ("replay", {"from": 1, "speed": 1001})],
)  # fmt: skip
def test_a_field_that_breaks_its_rule_is_named(field: str, value: object) -> None:
    refused = fault(Subscribe, **{"stream": "tickers", field: value})
    assert (refused.code, refused.field) == ("INVALID_PARAMS", field)
    assert refused.text.startswith(f"{field}: ")


def test_a_missing_field_is_named() -> None:
    assert str(fault(Subscribe)) == "stream: is required"
    assert str(fault(Token)) == "token: is required"
    assert str(fault(Explain)) == "request: is required"
    assert str(fault(Subscribe, stream="tickers", replay={"speed": 2})).startswith(
        "replay: must be an object"
    )


def test_null_is_the_same_as_left_out() -> None:
    asked = read(Subscribe, {"stream": "tickers", "mode": None, "since": None, "snapshot": None})
    assert asked == Subscribe(stream="tickers")


def test_unknown_fields_are_ignored() -> None:
    assert read(Subscribe, {"stream": "tickers", "later": 1}) == Subscribe(stream="tickers")


def test_a_refusal_never_quotes_a_token() -> None:
    assert "s3cret" not in str(fault(Token, token=["s3cret"]))
    assert "s3cret" not in str(fault(Token, token="s3cret" * 1000))


def test_a_subscription_is_named_by_number_or_by_numbers() -> None:
    assert read(Unsubscribe, {"sub": 3}).sub == 3
    assert read(Unsubscribe, {"sub": [3, 4]}).sub == [3, 4]
    assert fault(Unsubscribe, sub=[]).field == "sub"
    assert fault(Unsubscribe, sub="3").field == "sub"


def test_a_stream_has_its_own_mode_until_another_is_asked_for() -> None:
    assert mode_of(by_name["trades"], Subscribe(stream="trades")) is Mode.EVERY
    assert mode_of(by_name["trades"], Subscribe(stream="trades", mode="sample")) is Mode.SAMPLE
    assert mode_of(by_name["tickers"], Subscribe(stream="tickers")) is Mode.LATEST


def test_a_stream_refuses_a_mode_that_makes_no_sense_of_it() -> None:
    with pytest.raises(Refused) as caught:
        mode_of(by_name["agents"], Subscribe(stream="agents", mode="latest"))
    assert (caught.value.code, caught.value.field) == ("MODE_UNSUPPORTED", "mode")
    assert "every" in caught.value.text


@given(st.text() | anything.map(json.dumps))
def test_every_frame_is_read_or_refused_with_a_known_code(frame: str) -> None:
    try:
        head = read_head(frame)
    except HeadRefused as refused:
        assert refused.refused.code in BY_CODE  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(head, Head)


@given(st.sampled_from(list(OPERATIONS)), st.dictionaries(st.sampled_from(
    ["stream", "mode", "interval_ms", "snapshot", "since", "sub", "all", "token", "request"]), anything))  # fmt: skip
def test_every_request_is_read_or_refused_naming_a_field(op: str, fields: dict[str, Any]) -> None:
    form = OPERATIONS[op]
    try:
        assert isinstance(read(form, fields), form)
    except Refused as refused:
        assert refused.code == "INVALID_PARAMS"  # noqa: PT017 - either outcome is right
        assert refused.field in form.__struct_fields__  # noqa: PT017 - as above
