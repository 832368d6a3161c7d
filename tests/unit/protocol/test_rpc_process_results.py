"""Results about processes, and about the gateway itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from cache_streams.protocol.rpc import process_results as results
from cache_streams.protocol.rpc.queries import ProcessQuery
from cache_streams.streams.declaration import Extras
from cache_streams.streams.process import Process, decode

NOW = 1_800_000_000.0
ANY = ProcessQuery(None, None, 5)


def process(
    kind: str = "bot",
    component: str = "b1",
    *,
    status: str = "running",
    seen_ago: float | None = 10.0,
    beat_ago: float | None = 10.0,
    updated_ago: float = 10.0,
    **params: object,
) -> tuple[Process, Extras]:
    process_id = f"{kind}:{component}:1.5"
    stored = {
        "process_type": kind,
        "component": component,
        "status": status,
        "message": "m",
        "params": params,
        "created_at": iso(60.0),
        "updated_at": iso(updated_ago),
        "heartbeat": None if beat_ago is None else iso(beat_ago),
    }
    seen = None if seen_ago is None else iso(seen_ago)
    record = decode({"process_id": process_id}, json.dumps(stored).encode(), seen, NOW)
    assert isinstance(record.value, Process)
    return record.value, record.extras or {}


def iso(ago: float) -> str:
    return datetime.fromtimestamp(NOW - ago, UTC).isoformat()


def test_a_process_is_shown_with_its_times_as_stored() -> None:
    assert results.process_result(*process(pid=42), NOW, 300.0) == {
        "process_id": "bot:b1:1.5",
        "name": "b1",
        "status": "running",
        "pid": 42,
        "last_seen": NOW - 10,
        "process_type": "bot",
        "component": "b1",
        "message": "m",
        "params": {"pid": 42},
        "created_at": iso(60.0),
        "updated_at": iso(10.0),
        "heartbeat": iso(10.0),
        "stale": False,
    }


def test_a_process_without_number_has_no_pid() -> None:
    assert results.process_result(*process(), NOW, 300.0)["pid"] is None


@pytest.mark.parametrize(("beat_ago", "stale"), [(299.0, False), (301.0, True), (None, True)])
def test_a_process_is_stale_when_its_heartbeat_is_older_than_the_window(
    beat_ago: float | None, stale: bool
) -> None:
    assert results.process_result(*process(beat_ago=beat_ago), NOW, 300.0)["stale"] is stale


def names(shown: dict[str, list[dict[str, object]]]) -> list[object]:
    return [record["name"] for record in shown["processes"]]


def test_processes_are_listed_newest_update_first() -> None:
    older, newer = process(component="a", updated_ago=20), process(component="b", updated_ago=5)
    assert names(results.processes_result([older, newer], ANY, NOW)) == ["b", "a"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (ANY, ["b1", "kraken"]),
        (ProcessQuery("bot", None, 5), ["b1"]),
        (ProcessQuery(None, "kraken", 5), ["kraken"]),
        (ProcessQuery("bot", "kraken", 5), []),
        (ProcessQuery(None, None, 10), ["b1", "kraken", "slow"]),
        (ProcessQuery(None, None, 0), []),
    ],
)
def test_processes_are_chosen_by_type_component_and_time(query: ProcessQuery, found: list[str]) -> None:
    known = [
        process(),
        process("tick", "kraken"),
        process("tick", "slow", seen_ago=400.0),
        process("tick", "gone", seen_ago=None),
    ]
    assert sorted(names(results.processes_result(known, query, NOW)), key=str) == found


def test_the_newest_process_of_a_component_is_its_status() -> None:
    old, new = process(status="error", updated_ago=50), process(updated_ago=5)
    shown = results.component_result([old, new, process(component="other")], "b1", NOW)
    assert shown is not None
    assert (shown["name"], shown["status"]) == ("b1", "running")


def test_a_component_without_process_is_not_found() -> None:
    assert results.component_result([process()], "b2", NOW) is None


def test_a_system_without_processes_is_healthy() -> None:
    assert results.system_health_result([], NOW) == {
        "healthy": True,
        "overall_status": "healthy",
        "total_processes": 0,
        "by_type": {},
        "by_status": {},
        "stale_processes": 0,
        "error_processes": 0,
        "timestamp": NOW,
    }


def test_health_counts_what_was_seen_within_an_hour() -> None:
    known = [process(), process("tick", status="starting"), process(seen_ago=3_700.0, status="error")]
    shown = results.system_health_result(known, NOW)
    assert (shown["healthy"], shown["total_processes"]) == (True, 2)
    assert (shown["by_type"], shown["by_status"]) == ({"bot": 1, "tick": 1}, {"running": 1, "starting": 1})


@pytest.mark.parametrize(
    ("bad", "stale", "errors"), [(process(status="error"), 0, 1), (process(beat_ago=3_700.0), 1, 0)]
)
def test_one_stale_or_failed_process_makes_the_system_unhealthy(
    bad: tuple[Process, Extras], stale: int, errors: int
) -> None:
    shown = results.system_health_result([process(), bad], NOW)
    assert (shown["healthy"], shown["overall_status"]) == (False, "degraded")
    assert (shown["stale_processes"], shown["error_processes"]) == (stale, errors)


@pytest.mark.parametrize(("healthy", "status"), [(True, "healthy"), (False, "unhealthy")])
def test_the_gateways_health_has_exactly_two_parts(healthy: bool, status: str) -> None:
    shown = results.health_check_result(
        NOW, framework="channels", cache_healthy=healthy, cache_services={"redis": 1}
    )
    assert set(shown) == {"websocket", "cache"}
    assert shown["websocket"]["status"] == "healthy"
    assert shown["cache"] == {"status": status, "timestamp": NOW, "services": {"redis": 1}}


def test_a_ping_is_answered_with_ok() -> None:
    assert results.PING_RESULT == {"status": "ok"}
