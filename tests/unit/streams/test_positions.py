"""Positions as account collectors store them."""

from __future__ import annotations

import json

import pytest

from cache_streams.streams.declaration import Record
from cache_streams.streams.positions import Position, Positions, decode

ROOT = "2026-01-15T10:30:00.000000+00:00"


def read(**stored: object) -> Record:
    return decode({}, "1", json.dumps(stored).encode())


def position(**amounts: object) -> Position:
    value = read(GOLD=amounts, timestamp=ROOT).value
    assert isinstance(value, Positions)
    return value.positions[0]


def test_the_example_of_the_layout_is_read() -> None:
    stored = {
        "cost": 25000.0,
        "volume": 0.5,
        "fee": 25.0,
        "count": 0.0,
        "price": 50000.0,
        "timestamp": 1704067200.0,
    }
    record = read(**{"BTC/USDC": stored}, timestamp=ROOT)
    held = Position("BTC/USDC", "long", 0.5, 50000.0, 25000.0, 25.0, 1704067200.0)
    assert record.key == ("1",)
    assert record.value == Positions("1", (held,))
    assert record.time == 1768473000.0


@pytest.mark.parametrize(
    ("amounts", "side"),
    [
        ({"volume": 1}, "long"),
        ({"volume": -1}, "short"),
        ({"volume": 1, "side": "short"}, "short"),
        ({"volume": -1, "side": "LONG"}, "long"),
        ({"volume": -1, "side": "buy"}, "short"),
        ({"volume": None, "side": None}, "long"),
    ],
)
def test_the_side_is_the_stored_one_else_the_sign_of_the_volume(
    amounts: dict[str, object], side: str
) -> None:
    assert position(**amounts).side == side


def test_the_volume_is_never_negative() -> None:
    assert position(volume="-2.5").volume == 2.5


def test_null_amounts_are_zero() -> None:
    assert position(volume=None, price=None, cost=None, fee=None) == Position(
        "GOLD", "long", 0, 0, 0, 0, 1768473000.0
    )


def test_the_roots_time_stands_for_a_missing_one() -> None:
    assert position(volume=1).time == 1768473000.0
    assert position(volume=1, timestamp=5).time == 5.0


def test_without_a_root_time_the_newest_position_tells() -> None:
    assert read(A={"timestamp": 5}, B={"timestamp": 7}, C={}).time == 7.0
    assert read(A={}).time is None


def test_members_that_are_no_objects_are_left_out_and_counted() -> None:
    record = read(A={"volume": 1}, B=None, timestamp=ROOT)
    assert isinstance(record.value, Positions)
    assert [held.symbol for held in record.value.positions] == ["A"]
    assert record.flaw == "position"
    assert read(A={"volume": 1}, timestamp=ROOT).flaw is None
