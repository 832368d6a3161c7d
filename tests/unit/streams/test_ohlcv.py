"""Bars as feeders store them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.streams.declaration import Malformed, Record
from cache_streams.streams.ohlcv import Bar, decode, timeframe_seconds

EXAMPLE = b"[1700000000,1,2,0.5,1.5,10]"


def read(raw: bytes = EXAMPLE, timeframe: str = "1m", now: float = 1700000001.0) -> Record:
    return decode({"symbol": "BTC/USDC", "timeframe": timeframe}, raw, now)


def is_closed(timeframe: str, now: float) -> bool:
    value = read(timeframe=timeframe, now=now).value
    assert isinstance(value, Bar)
    return value.closed


def test_the_example_of_the_layout_is_read() -> None:
    record = read()
    assert (record.key, record.time) == (("BTC/USDC", "1m"), 1700000000.0)
    assert record.value == Bar("BTC/USDC", "1m", 1700000000.0, 1.0, 2.0, 0.5, 1.5, 10.0, closed=False)


def test_the_bar_is_kept_as_stored_beside_the_canonical_one() -> None:
    record = read(b"[1700000000123, 1, 2.0, 3, 4, 5, 6, 7]")
    assert record.time == 1700000000.123
    assert record.extras is not None
    assert [repr(x) for x in record.extras["bar"]] == ["1700000000123", "1", "2.0", "3", "4", "5"]


def test_numbers_stored_as_text_become_numbers() -> None:
    extras = read(b'["2023-11-14 22:13:20", "1", 2, 3, 4, 5]').extras
    assert extras == {"bar": [1700000000.0, 1.0, 2, 3, 4, 5]}


@pytest.mark.parametrize(
    "raw", [b"{}", b"[1,2,3,4,5]", b"[1,2,3,4,5,null]", b'["x",2,3,4,5,6]', b"[1,true,3,4,5,6]"]
)
def test_anything_but_six_numbers_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed, match="bar"):
        read(raw)


@given(st.sampled_from(["1m", "4h", "1w", "1M"]), st.floats(-1e7, 1e7))
def test_a_bar_is_closed_once_its_time_is_over(timeframe: str, late: float) -> None:
    lasts = timeframe_seconds(timeframe)
    assert lasts is not None
    assert is_closed(timeframe, 1700000000.0 + lasts + late) == (
        1700000000.0 + lasts + late >= 1700000000.0 + lasts
    )


def test_a_bar_of_an_unknown_timeframe_is_closed_only_at_the_end_of_time() -> None:
    assert not is_closed("7x", 1e12)
    assert is_closed("7x", math.inf)


def test_timeframes_have_their_length_in_seconds() -> None:
    names = ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"]
    lengths = [timeframe_seconds(name) for name in names]
    assert lengths[:6] == [60, 180, 300, 900, 1800, 3600]
    assert lengths[-4:] == [86_400, 259_200, 604_800, 2_678_400]
    assert timeframe_seconds("1x") is None
