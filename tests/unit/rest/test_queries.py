"""What the query of a request for snapshots may ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from cache_streams.rest.queries import (
    ELEMENTS_DEFAULT,
    KEYS_DEFAULT,
    filters_of,
    key_token,
    read_query,
    token_key,
)
from cache_streams.streams import by_name
from cache_streams.streams.ohlcv import OHLCV, Bar
from cache_streams.streams.orders import ORDERS

BAR = Bar("A/B", "1m", 0.0, 1.0, 2.0, 0.5, 1.5, 10.0, True)


@given(st.lists(st.text()).map(tuple))
def test_a_key_survives_being_a_token(key: tuple[str, ...]) -> None:
    assert token_key(key_token(key)) == key


@pytest.mark.parametrize("text", ["x", "====", "é", "e30", "WzFd", "\ud800", "bnVsbA"])
def test_what_is_no_token_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        token_key(text)
    assert set(refused.value.detail) == {"after"}


def test_without_a_query_a_listing_and_a_key_have_bounds_of_their_own() -> None:
    assert read_query(ORDERS, {}, listing=True).limit == KEYS_DEFAULT
    assert read_query(ORDERS, {}, listing=False).limit == ELEMENTS_DEFAULT


def test_texts_and_truths_of_the_objects_are_filters_and_nothing_else() -> None:
    assert filters_of(OHLCV) == {"symbol": str, "timeframe": str, "closed": bool}
    assert {"status", "side", "account", "order_id"} <= set(filters_of(ORDERS))
    assert "price" not in filters_of(ORDERS)


@pytest.mark.parametrize("name", by_name)
def test_no_stream_has_a_field_that_hides_a_parameter(name: str) -> None:
    assert not {"limit", "after"} & set(filters_of(by_name[name]))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, True),
        ({"closed": "true"}, True),
        ({"closed": "false"}, False),
        ({"symbol": "A/B", "closed": "false"}, False),
    ],
)
def test_an_object_is_wanted_when_all_of_it_is_equal(given: dict[str, str], *, wanted: bool) -> None:
    assert read_query(OHLCV, given, listing=True).wants(BAR) is wanted


def test_an_unknown_parameter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="limit, after, symbol, timeframe, closed"):
        read_query(OHLCV, {"simbol": "A/B"}, listing=True)
