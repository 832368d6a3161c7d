"""Processes as services report them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.streams.declaration import Malformed, Record
from cache_streams.streams.process import STALE_AFTER_S, Process, decode, unaged

NOW = 1_768_473_000.0


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


EXAMPLE = {
    "process_id": "bot:b1:1.5",
    "process_type": "bot",
    "component": "b1",
    "params": {"pid": 7},
    "status": "running",
    "message": "m",
    "created_at": iso(NOW - 90),
    "updated_at": iso(NOW - 30),
    "heartbeat": iso(NOW - 20),
}


def read(
    now: float = NOW, seen: str | None = None, process_id: str = "bot:b1:1.5", **changes: object
) -> Record:
    return decode({"process_id": process_id}, json.dumps(EXAMPLE | changes).encode(), seen, now)


def process(now: float = NOW, process_id: str = "bot:b1:1.5", **changes: object) -> Process:
    value = read(now, None, process_id, **changes).value
    assert isinstance(value, Process)
    return value


def test_the_example_of_the_layout_is_read() -> None:
    record = read(seen=iso(NOW - 10))
    assert (record.key, record.element, record.time) == (("bot",), "bot:b1:1.5", NOW - 30)
    assert record.value == Process(
        process_id="bot:b1:1.5",
        type="bot",
        component="b1",
        status="running",
        message="m",
        params={"pid": 7},
        created=NOW - 90,
        updated=NOW - 30,
        heartbeat=NOW - 20,
        age_s=20.0,
        stale=False,
    )
    assert record.extras == {
        "created_at": iso(NOW - 90),
        "updated_at": iso(NOW - 30),
        "heartbeat": iso(NOW - 20),
        "active_at": NOW - 10,
        "active": True,
    }


def test_the_type_is_that_of_the_id_else_that_of_the_json() -> None:
    assert process(process_type="tick").type == "bot"
    assert process(process_id="odd-id", process_type="tick").type == "tick"


@pytest.mark.parametrize("told", ["robot", None, 5, []])
def test_an_unknown_type_is_malformed(told: object) -> None:
    with pytest.raises(Malformed, match="type"):
        process(process_id="robot:b1:1.5", process_type=told)


def test_a_missing_component_is_read_from_the_id() -> None:
    assert process(process_id="tick:kraken:BTC/USDT:17.5", component=None).component == "kraken:BTC/USDT"
    assert process(process_id="tick", component=None).component == "tick"


@pytest.mark.parametrize(("age", "stale"), [(STALE_AFTER_S, False), (STALE_AFTER_S + 1, True), (-5, False)])
def test_an_old_heartbeat_makes_a_process_stale(age: float, stale: bool) -> None:
    assert process(heartbeat=iso(NOW - age)).stale is stale


def test_an_unreadable_heartbeat_is_stale_and_as_old_as_the_last_update() -> None:
    told = process(heartbeat="never")
    assert (told.stale, told.heartbeat, told.age_s) == (True, 0.0, 30.0)


def test_a_process_without_any_time_has_no_age() -> None:
    assert process(heartbeat=None, updated_at=None, created_at=None).age_s == 0.0


@pytest.mark.parametrize(
    ("seen", "active"),
    [
        (None, False),
        ("never", False),
        (iso(NOW - STALE_AFTER_S), True),
        (iso(NOW - STALE_AFTER_S - 1), False),
    ],
)
def test_a_process_is_active_while_it_was_seen_lately(seen: str | None, active: bool) -> None:
    extras = read(seen=seen).extras
    assert extras is not None
    assert extras["active"] is active


def test_params_that_are_no_object_are_empty() -> None:
    assert process(params=[1]).params == {}


def test_a_missing_status_is_unknown() -> None:
    assert process(status=None).status == "unknown"


@given(st.floats(0, STALE_AFTER_S - 21))
def test_time_alone_makes_no_difference_before_anything_goes_stale(later: float) -> None:
    seen = iso(NOW)
    assert unaged(read(NOW + later, seen)) == unaged(read(NOW, seen))


def test_going_stale_is_a_difference() -> None:
    assert unaged(read(NOW + STALE_AFTER_S)) != unaged(read(NOW))


def test_a_record_of_something_gone_has_no_age_to_take_away() -> None:
    gone = Record(("bot",), None, "bot:b1:1.5")
    assert unaged(gone) is gone
