"""``python -m benchmarks``: runs against a real gateway, judges it, keeps what it found. Counts only: no test asserts a time."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live import BASE

DEADLINE_S = 90.0


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=BASE,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )


def kept(directory: Path, scenario: str) -> Any:  # Any: JSON, whose shape is what is tested
    return json.loads((directory / f"{scenario}.json").read_text())


def test_the_drill_loses_repeats_and_changes_nothing(tmp_path: Path) -> None:
    done = benchmarks("--quick", "--results", str(tmp_path), "drill")
    assert done.returncode == 0, done.stdout + done.stderr
    found = kept(tmp_path, "drill")
    assert found["passed"]
    assert found["quick"]
    assert found["command"] == "python -m benchmarks --quick drill"
    assert {"cpu_count", "python", "redis_server", "uvicorn"} <= found["machine"].keys()
    (row,) = found["rows"]
    assert (row["trades"], row["ticks"], row["drains"], row["sockets"]) == (400, 400, 4, 50)
    measured = {verdict["rule"]: verdict["measured"] for verdict in found["verdicts"]}
    assert measured["quick: once and in order"] == "0 repeated, 0 out of order, 0 never pushed"
    assert measured["quick: the last tick at each socket is the cache's"] == "25 of 25 sockets"
    assert measured["quick: the batch writer gets every trade"] == "0 taken from it"
    table = (tmp_path / "drill.md").read_text()
    assert "| load " in table
    assert "| quick " in table
    assert table.splitlines()[6] in done.stdout


def test_every_write_of_every_kind_arrives(tmp_path: Path) -> None:
    benchmarks("--quick", "--results", str(tmp_path), "latency")  # on a busy machine its times may fail
    arrived = {row["kind"]: row["arrived"] for row in kept(tmp_path, "latency")["rows"]}
    kinds = ("tickers", "trades", "orders", "balances", "positions", "bots", "ohlcv", "process")
    assert arrived == dict.fromkeys(kinds, 20)


def test_every_login_reaches_its_first_frame_and_every_failure_is_refused(tmp_path: Path) -> None:
    benchmarks("--quick", "--results", str(tmp_path), "login")  # as above
    times = {row["measure"]: row["times"] for row in kept(tmp_path, "login")["rows"]}
    assert len(times) == 5
    assert set(times.values()) == {3}


def test_every_connect_beside_a_hundred_sockets_gets_its_first_message(tmp_path: Path) -> None:
    benchmarks("--quick", "--results", str(tmp_path), "handshake")  # as above
    found = kept(tmp_path, "handshake")
    assert [row["connects"] for row in found["rows"]] == [20, 20]
    measured = {verdict["rule"]: verdict["measured"] for verdict in found["verdicts"]}
    assert measured["the other sockets stay open"] == "100 of 100"


def test_every_update_reaches_every_socket_of_the_gateway_beside_a_plain_application(tmp_path: Path) -> None:
    done = benchmarks("--quick", "--results", str(tmp_path), "fanout")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["server"]: row for row in kept(tmp_path, "fanout")["rows"]}
    assert rows.keys() == {"gateway, trades", "Channels, pubsub layer, uvicorn"}
    assert {(row["delivered"], row["asked"]) for row in rows.values()} == {(400, 400)}


def test_everybody_connects_and_every_stream_of_many_symbols_is_complete(tmp_path: Path) -> None:
    benchmarks(
        "--quick", "--results", str(tmp_path), "connects", "symbols", "crowd"
    )  # times may fail, as above
    connects = kept(tmp_path, "connects")["rows"]
    assert [(row["opened"], row["refused"], row["with first update"]) for row in connects] == [
        (50, 0, 50)
    ] * 2
    for scenario in ("symbols", "crowd"):
        found = kept(tmp_path, scenario)
        (alike,) = (
            verdict for verdict in found["verdicts"] if "every update that its relay told" in verdict["rule"]
        )
        assert alike["passed"], alike


def test_deaf_sockets_wake_up_to_a_fresh_price_and_the_relay_takes_every_trade(tmp_path: Path) -> None:
    benchmarks("--quick", "--results", str(tmp_path), "deaf", "relay")  # as above
    woken = [verdict for verdict in kept(tmp_path, "deaf")["verdicts"] if "wakes up" in verdict["rule"]]
    assert [verdict["passed"] for verdict in woken] == [True]
    trades = [row for row in kept(tmp_path, "relay")["rows"] if row["stream"] == "trades"]
    assert [(row["written"], row["appended"]) for row in trades] == [(1_000, 1_000)]


def test_a_crowd_that_resumes_from_far_back_has_everything(tmp_path: Path) -> None:
    benchmarks("--quick", "--results", str(tmp_path), "resume")  # as above
    assert [(row["clients"], row["complete"]) for row in kept(tmp_path, "resume")["rows"]] == [(5, 5)]


def test_no_trade_is_lost_at_any_point_of_the_growth_curves(tmp_path: Path) -> None:
    benchmarks("--quick", "--results", str(tmp_path), "growth")  # as above
    rows = kept(tmp_path, "growth")["rows"]
    assert list(dict.fromkeys(row["curve"] for row in rows)) == ["sockets", "updates/s", "symbols"]
    trades = [row for row in rows if row["curve"] != "symbols"]
    assert [row["delivered"] for row in trades] == [row["asked"] for row in trades]


@pytest.mark.parametrize("arguments", [("nonsense",), ("drill", "nonsense")])
def test_an_unknown_scenario_is_refused_with_those_that_there_are(arguments: tuple[str, ...]) -> None:
    done = benchmarks(*arguments)
    assert done.returncode == 2
    assert "unknown scenario nonsense: there are handshake, login, latency, drill," in done.stderr
