"""Reading parameters field by field."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol.rpc.params import InvalidParams, Params

FALSE: list[object] = [None, "", 0, 0.0, False, [], {}]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("value", FALSE)
def test_a_required_text_is_missing_when_it_is_false(value: object) -> None:
    with pytest.raises(InvalidParams, match="symbol: is required"):
        Params({"symbol": value}).text("symbol")


@pytest.mark.parametrize("value", FALSE)
def test_an_optional_name_is_none_when_it_is_false(value: object) -> None:
    assert Params({"symbol": value}).text_or_none("symbol") is None
    assert Params({"symbol": value}).identity_or_none("symbol") is None


def test_a_refusal_carries_field_and_rule() -> None:
    with pytest.raises(InvalidParams) as refused:
        Params({}).identity("bot_id")
    assert (refused.value.field, refused.value.rule) == ("bot_id", "is required")


def test_the_first_synonym_that_holds_something_counts() -> None:
    params = Params({"a": "", "b": "second", "c": "third"})
    assert params.text("a", "b", "c") == "second"


@pytest.mark.parametrize("value", [7, True, 1.5, ["x"], {"x": 1}])
def test_a_text_must_be_a_text(value: object) -> None:
    with pytest.raises(InvalidParams, match="symbol: must be a text"):
        Params({"symbol": value}).text("symbol")


def test_a_name_of_128_characters_is_read() -> None:
    assert Params({"symbol": "x" * 128}).text("symbol") == "x" * 128


def test_a_longer_name_is_refused() -> None:
    with pytest.raises(InvalidParams, match="1 to 128 characters"):
        Params({"symbol": "x" * 129}).text("symbol")


@pytest.mark.parametrize("value", ["a\nb", "\x00", "x\x7f", "\x85"])
def test_a_name_with_control_characters_is_refused(value: str) -> None:
    with pytest.raises(InvalidParams, match="control characters"):
        Params({"symbol": value}).text("symbol")


@pytest.mark.parametrize(("given_id", "text"), [(7, "7"), ("7", "7"), (-3, "-3"), ("O-1", "O-1")])
def test_an_id_is_read_as_text(given_id: object, text: str) -> None:
    assert Params({"order_id": given_id}).identity("order_id") == text


@pytest.mark.parametrize("value", [True, 1.5, ["x"]])
def test_an_id_is_a_text_or_an_integer(value: object) -> None:
    with pytest.raises(InvalidParams, match="order_id: must be a text"):
        Params({"order_id": value}).identity("order_id")


@pytest.mark.parametrize(("value", "number"), [(0, 0), (7, 7), ("7", 7), (" -7 ", -7), (7.0, 7), ("0", 0)])
def test_an_integer_may_be_a_text(value: object, number: int) -> None:
    assert Params({"user_id": value}).integer("user_id") == number


@pytest.mark.parametrize(
    "value", ["binance", "", "1.5", 1.5, True, [], {}, 10**18, -(10**18), 1e300, "9" * 19, "٣"]
)
def test_anything_else_is_no_integer(value: object) -> None:
    with pytest.raises(InvalidParams, match="user_id: must be an integer"):
        Params({"user_id": value}).integer("user_id")


def test_a_required_integer_is_missing_only_when_null_or_absent() -> None:
    for params in ({}, {"user_id": None}):
        with pytest.raises(InvalidParams, match="user_id: is required"):
            Params(params).integer("user_id")


def test_a_zero_hides_the_synonym_behind_it() -> None:
    assert Params({"exchange_id": 0, "user_id": 5}).integer("exchange_id", "user_id") == 0


@pytest.mark.parametrize("value", [None, [], "", 0])
def test_no_list_means_no_names(value: object) -> None:
    assert Params({"symbols": value}).text_list("symbols") == ()
    assert Params({}).text_list("symbols") == ()


def test_one_text_is_a_list_of_one() -> None:
    assert Params({"symbols": "BTC/USDC"}).text_list("symbols") == ("BTC/USDC",)


def test_names_in_a_list_keep_their_order_and_lose_their_repetitions() -> None:
    assert Params({"symbols": ["b", "a", "b"]}).text_list("symbols") == ("b", "a")


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (5, "list of texts"),
        ({"a": 1}, "list of texts"),
        ([1], "must be a text"),
        ([""], "1 to 128"),
        (["x"] * 1025, "at most 1024"),
    ],
)
def test_a_bad_list_is_refused_with_the_rule(value: object, rule: str) -> None:
    with pytest.raises(InvalidParams, match=rule):
        Params({"symbols": value}).text_list("symbols")


READS: list[Callable[[Params], object]] = [
    lambda params: params.text("a", "b"),
    lambda params: params.text_or_none("a"),
    lambda params: params.identity("a"),
    lambda params: params.identity_or_none("a", "b"),
    lambda params: params.integer("a", "b"),
    lambda params: params.integer_or_none("a"),
    lambda params: params.text_list("a"),
]


@given(st.dictionaries(st.sampled_from("ab"), json_values), st.sampled_from(READS))
def test_arbitrary_values_raise_nothing_but_a_refusal(
    values: dict[str, object], read: Callable[[Params], object]
) -> None:
    with contextlib.suppress(InvalidParams):
        read(Params(values))
