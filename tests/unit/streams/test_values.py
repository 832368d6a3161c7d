"""Lenient reading of stored values."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.streams import values
from cache_streams.streams.declaration import Malformed

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


def reason_of(raw: bytes) -> str:
    with pytest.raises(Malformed) as refused:
        values.json_object(raw)
    return refused.value.reason


@given(st.binary())
def test_arbitrary_bytes_are_an_object_or_malformed(raw: bytes) -> None:
    try:
        found: object = values.json_object(raw)
    except Malformed as malformed:
        found = malformed.reason
    assert isinstance(found, dict) or found in {"json", "shape"}


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.text()))
def test_a_stored_object_comes_back_as_it_was(stored: dict[str, object]) -> None:
    assert values.json_object(json.dumps(stored).encode()) == stored


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_have_are_refused(literal: str) -> None:
    assert reason_of(f'{{"price": {literal}}}'.encode()) == "json"


def test_a_value_beyond_the_size_limit_is_not_parsed() -> None:
    assert reason_of(b" " * values.JSON_BYTES_MAX + b"{}") == "size"


@pytest.mark.parametrize("levels", [values.JSON_DEPTH_MAX, 100_000])
def test_nesting_beyond_the_depth_limit_is_refused(levels: int) -> None:
    assert reason_of(b'{"a":' + b"[" * levels + b"]" * levels + b"}") == "depth"


def test_nesting_up_to_the_depth_limit_is_read() -> None:
    levels = values.JSON_DEPTH_MAX - 1
    assert "a" in values.json_object(b'{"a":' + b"[" * levels + b"]" * levels + b"}")


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"text"', b"1"])
def test_json_that_is_no_object_is_malformed_by_shape(raw: bytes) -> None:
    assert reason_of(raw) == "shape"


def test_the_reason_never_quotes_the_private_value() -> None:
    with pytest.raises(Malformed) as refused:
        values.json_object(b'{"secret" 1234}')
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


@given(anything)
def test_readers_of_single_values_never_raise(x: object) -> None:
    for read in (values.number, values.epoch, values.text, values.identifier):
        read(x)


@given(anything)
def test_a_number_is_finite_or_none(x: object) -> None:
    number = values.number(x)
    assert number is None or math.isfinite(number)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_may_be_stored_as_its_text(x: float) -> None:
    assert values.number(repr(x)) == values.number(x) == x


@pytest.mark.parametrize(
    "x", [True, False, "", " ", "nan", "inf", "1_000", "0x10", "1,5", "1e999", "9" * 65, 10**400, []]
)
def test_what_is_no_decimal_number_is_none(x: object) -> None:
    assert values.number(x) is None


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9000, 1, 1)))  # noqa: DTZ001 - naive on purpose
def test_a_time_reads_the_same_in_every_spelling(moment: datetime) -> None:
    at = moment.replace(tzinfo=UTC)
    seconds = at.timestamp()
    for spelling in (
        at.isoformat(),
        moment.isoformat(),
        moment.isoformat(sep=" "),
        f"{moment.isoformat()}Z",
        repr(seconds),
        seconds,
    ):
        assert values.epoch(spelling) == seconds


@given(st.integers(10**12 + 1, 9 * 10**13))
def test_numbers_above_a_trillion_are_milliseconds(milliseconds: int) -> None:
    assert values.epoch(milliseconds) == values.epoch(str(milliseconds)) == milliseconds / 1000


@pytest.mark.parametrize(
    "x", [None, True, "", "now", "2026-13-01", "0001-01-01T00:00:00+14:00", 1e300, -1e12, {}]
)
def test_unreadable_times_are_none(x: object) -> None:
    assert values.epoch(x) is None


def test_an_empty_text_is_null_as_the_collectors_library_writes_it() -> None:
    assert values.text("") is None
    assert values.text("open") == "open"
    assert values.text(1) is None


@pytest.mark.parametrize(
    ("x", "identity"),
    [
        (7, "7"),
        (0, "0"),
        ("7", "7"),
        (7.0, "7"),
        (2**70, str(2**70)),
        (True, None),
        (7.5, None),
        ("", None),
        (None, None),
    ],
)
def test_ids_become_text(x: object, identity: str | None) -> None:
    assert values.identifier(x) == identity


@pytest.mark.parametrize("x", ["i" * 257, 10**257, -(10**4000), float("inf"), float("nan")])
def test_ids_beyond_the_limit_are_none(x: object) -> None:
    assert values.identifier(x) is None


@pytest.mark.parametrize("part", ["", "n" * 257])
def test_a_key_part_is_bounded_and_not_empty(part: str) -> None:
    with pytest.raises(Malformed, match="key"):
        values.name(part)
