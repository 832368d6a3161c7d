"""Strict reading of a client's JSON."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol.strict_json import NotStrict, decode


def nested(depth: int) -> str:
    return '{"a":[' * (depth // 2) + "[" * (depth % 2) + "]" * (depth % 2) + "]}" * (depth // 2)


@pytest.mark.parametrize(
    "frame", ["NaN", "[Infinity]", "1e999", "{", "", "{}x", "'a'", '"\\ud800"', b"\xef\xbb\xbf{}"]
)
def test_what_is_not_json_is_refused(frame: str | bytes) -> None:
    with pytest.raises(NotStrict, match="not JSON"):
        decode(frame)


@pytest.mark.parametrize("frame", [b'"\xff"', "\ud800"])
def test_what_is_not_unicode_is_refused(frame: str | bytes) -> None:
    with pytest.raises(NotStrict, match=r"not UTF-8|not JSON"):
        decode(frame)


@pytest.mark.parametrize("depth", [17, 18, 900, 60_000])
def test_what_is_nested_too_deep_is_refused(depth: int) -> None:
    with pytest.raises(NotStrict, match="more than 16 levels"):
        decode(nested(depth))


@pytest.mark.parametrize("depth", [1, 15, 16])
def test_sixteen_levels_are_read(depth: int) -> None:
    assert decode(nested(depth)) == json.loads(nested(depth))


@pytest.mark.parametrize("value", [None, 5, "x", True, 1.5, 2**70])
def test_a_value_without_depth_has_no_depth(value: object) -> None:
    assert decode(json.dumps(value), depth_limit=1) == value


@given(st.one_of(st.binary(), st.text()))
def test_arbitrary_input_raises_nothing_else(frame: str | bytes) -> None:
    with contextlib.suppress(NotStrict):
        decode(frame)
