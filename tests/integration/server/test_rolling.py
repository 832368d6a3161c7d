"""A rolling restart: successors first, nobody unserved, and a bad successor changes nothing."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest
from redis import Redis
from websockets.exceptions import ConnectionClosed

from tests.integration.cache_sockets import opened as open_cache
from tests.integration.cache_sockets import token_of
from tests.integration.native.client import opened
from tests.integration.wire.collector import Collector, fresh_name, trade
from tests.integration.wire.rpc_client import Frame, Socket
from tests.live import BASE, LiveServer, live_server

DEADLINE_S = 60.0
DRAIN_S = 2
METRICS_TOKEN = "metrics-for-the-tests"


@pytest.fixture(scope="module")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings that a successor reads when it starts; the supervisor read them before."""
    path = tmp_path_factory.mktemp("settings") / "env"
    path.write_text("")
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, env_file: Path) -> Iterator[LiveServer]:
    with live_server(
        tmp_path_factory.mktemp("rolling"),
        workers=2,
        DRAIN_S=str(DRAIN_S),
        ENV_FILE=str(env_file),
        METRICS_TOKEN=METRICS_TOKEN,
    ) as running:
        yield running


def pids(server: LiveServer, command: str) -> set[int]:
    """Return the processes of ``server`` that run a management command."""
    script = str(BASE / "manage.py")
    lines = {child.pid: child.cmdline() for child in psutil.Process(server.pid).children() if alive(child)}
    return {pid for pid, line in lines.items() if script in line and line[line.index(script) + 1] == command}


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


def ended(server: LiveServer) -> int:
    return server.log.read_text().count("rolling restart ended")


async def rolled(server: LiveServer, before: int) -> None:
    """Wait until one more rolling restart has ended."""
    await eventually(lambda: ended(server) > before)


@dataclass
class Observed:
    """One rolling restart as its neighbours saw it."""

    replaced: set[int] = field(default_factory=set)
    present: set[int] = field(default_factory=set)
    fewest_workers: int = 2
    statuses: set[int] = field(default_factory=set)
    written: int = 0
    seqs: list[int] = field(default_factory=list)
    announced: list[list[int]] = field(default_factory=list)
    unrecovered: int = 0
    closes: set[tuple[int, str]] = field(default_factory=set)


@pytest.fixture(scope="module")
def observed(server: LiveServer) -> Observed:
    return asyncio.run(observe(server))


async def observe(server: LiveServer) -> Observed:
    seen, before = Observed(), ended(server)
    await eventually(lambda: len(pids(server, "worker")) == 2 and pids(server, "relay"))
    seen.replaced = pids(server, "worker") | pids(server, "relay")
    async with asyncio.timeout(DEADLINE_S), open_cache(server, "/ws/tickers/c1", token_of(server)) as socket:
        os.kill(server.pid, signal.SIGHUP)
        await asyncio.gather(
            watch(server, seen, before), follow(server, seen, before), until_closed(socket, seen)
        )
    seen.present = pids(server, "worker") | pids(server, "relay")
    return seen


async def watch(server: LiveServer, seen: Observed, before: int) -> None:
    """Count workers, and ask as balancers do: on a new connection each time, because who stops hangs up on idle ones."""
    new_each_time = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=DEADLINE_S, limits=new_each_time) as client:
        while ended(server) == before:
            seen.fewest_workers = min(seen.fewest_workers, len(pids(server, "worker")))
            for path in ("live", "ready"):
                seen.statuses.add((await client.get(f"{server.url}/health/{path}")).status_code)


async def until_closed(socket: Socket, seen: Observed) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket.connection.recv()
    seen.closes.add((socket.connection.close_code or 0, socket.connection.close_reason or ""))


async def follow(server: LiveServer, seen: Observed, before: int) -> None:
    """Write trades one by one, and follow them as a client that comes back as soon as it is told."""
    exchange, since = fresh_name(), dict[str, object]()
    with Redis.from_url(server.redis_url) as redis:
        collector = Collector(redis)
        while ended(server) == before or len(seen.seqs) < seen.written:
            async with opened(server) as native:
                standing = await native.subscribe("trades", exchange=exchange, symbol="BTC/USDC", **since)
                seen.unrecovered += bool(since) and standing["recovered"] is not True
                while ended(server) == before or len(seen.seqs) < seen.written:
                    if len(seen.seqs) == seen.written:
                        seen.written += 1
                        collector.trades(exchange, "BTC/USDC", trade(seen.written))
                    frame = await native.told(of_interest)
                    if frame["type"] == "status":
                        seen.announced.append(frame["reconnect_in_ms"])
                        break
                    seen.seqs.append(frame["seq"])
                    since = {"since": frame["cursor"]}


def of_interest(frame: Frame) -> bool:
    return frame["type"] == "update" or frame.get("state") == "draining"


def test_every_child_is_replaced(observed: Observed) -> None:
    assert len(observed.present) == 3
    assert not observed.present & observed.replaced


def test_at_no_time_there_are_fewer_workers(observed: Observed) -> None:
    assert observed.fewest_workers == 2


def test_the_machine_stays_ready(observed: Observed) -> None:
    assert observed.statuses == {200}


def test_a_native_client_is_told_over_which_interval_to_come_back(observed: Observed) -> None:
    assert observed.announced
    assert all(interval == [0, DRAIN_S * 500] for interval in observed.announced)


def test_a_client_that_comes_back_loses_nothing_and_gets_nothing_twice(observed: Observed) -> None:
    assert observed.seqs == list(range(1, observed.written + 1))
    assert observed.unrecovered == 0


def test_a_socket_of_another_family_is_closed_with_its_code(observed: Observed) -> None:
    assert observed.closes == {(1001, "server_shutdown")}


@pytest.mark.usefixtures("observed")
def test_successors_tell_their_metrics_under_the_names_of_their_places(server: LiveServer) -> None:
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    text = httpx.get(f"{server.url}/metrics", headers=headers, timeout=DEADLINE_S).text
    assert [f'process="{name}"' in text for name in ("worker-1", "worker-2", "relay")] == [True] * 3


async def test_a_successor_that_does_not_come_up_changes_nothing(server: LiveServer, env_file: Path) -> None:
    await eventually(lambda: len(pids(server, "worker")) == 2)
    workers, before = pids(server, "worker"), ended(server)
    await asyncio.to_thread(env_file.write_text, "LOG_SHARDS=many\n")
    try:
        os.kill(server.pid, signal.SIGHUP)
        await rolled(server, before)
    finally:
        await asyncio.to_thread(env_file.write_text, "")
    assert pids(server, "worker") == workers
    last = next(line for line in reversed(server.log.read_text().splitlines()) if "rolling restart" in line)
    assert "given_up" in last
    assert "worker 1 stays: its successor does not come up" in server.log.read_text()


async def test_a_stop_in_the_middle_of_a_rolling_restart_ends_everything(tmp_path: Path) -> None:
    with live_server(tmp_path, DRAIN_S="5") as doomed:
        async with opened(doomed) as native:
            os.kill(doomed.pid, signal.SIGHUP)
            await native.told(state="draining")
            family = psutil.Process(doomed.pid).children(recursive=True)
            os.kill(doomed.pid, signal.SIGTERM)
            assert await asyncio.to_thread(doomed.process.wait, DEADLINE_S) == 0
        assert not any(alive(process) for process in family)
