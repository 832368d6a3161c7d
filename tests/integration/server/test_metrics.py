"""``/metrics``: who may read it, and that it tells of every process of the machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from redis import Redis

from tests.integration.wire.collector import Collector, fresh_name
from tests.integration.wire.rpc_client import connected
from tests.live import BASE, LiveServer, live_server

TOKEN = "metrics-for-the-tests"
DEADLINE_S = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway of two workers whose metrics a token opens."""
    with live_server(tmp_path_factory.mktemp("metrics"), workers=2, METRICS_TOKEN=TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway whose metrics an address opens."""
    with live_server(tmp_path_factory.mktemp("named"), METRICS_ADDRESSES="10.0.0.0/8,127.0.0.1") as running:
        yield running


def scrape(server: LiveServer, token: str | None = TOKEN, **headers: str) -> httpx.Response:
    authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{server.url}/metrics", headers={**authorization, **headers}, timeout=DEADLINE_S)


def numbers(server: LiveServer, name: str, **labels: str) -> dict[str, float]:
    """Return the numbers called ``name`` under ``labels``, summed by process."""
    found: dict[str, float] = {}
    for family in prometheus(scrape(server).text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                process = sample.labels["process"]
                found[process] = found.get(process, 0.0) + sample.value
    return found


def eventually(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_without_settings_nobody_reads_them(live_server_process: LiveServer) -> None:
    answer = scrape(live_server_process, None)
    assert answer.status_code == 403
    assert answer.json()["error_code"] == "FORBIDDEN"


@pytest.mark.parametrize("token", [None, "wrong-token-of-some-length", TOKEN[:-1], "ü" * 20])
def test_another_token_than_the_one_of_the_settings_is_refused(server: LiveServer, token: str | None) -> None:
    headers = [] if token is None else [(b"Authorization", f"Bearer {token}".encode())]
    assert httpx.get(f"{server.url}/metrics", headers=headers, timeout=DEADLINE_S).status_code == 403


def test_an_address_of_the_settings_needs_no_token(named: LiveServer) -> None:
    assert scrape(named, None).status_code == 200


def test_an_address_behind_a_proxy_that_nobody_named_proves_nothing(named: LiveServer) -> None:
    assert scrape(named, None, **{"X-Forwarded-For": "127.0.0.1"}).status_code == 403


def test_every_process_of_the_machine_is_in_one_answer(server: LiveServer) -> None:
    everyone = {"worker-1", "worker-2", "relay", "supervisor"}
    assert eventually(lambda: set(numbers(server, "process_resident_memory_bytes")) == everyone)


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_the_answer_is_read_by_the_parser_of_its_format(server: LiveServer, accept: str) -> None:
    answer = scrape(server, Accept=accept)
    assert answer.headers["Content-Type"].startswith(accept.partition(";")[0])
    parse = open_metrics if "openmetrics" in accept else prometheus
    families = list(parse(answer.text))
    assert len({family.name for family in families}) == len(families)
    assert all("process" in sample.labels for family in families for sample in family.samples)


def test_one_relay_leads(server: LiveServer) -> None:
    assert eventually(lambda: numbers(server, "gw_relay_leading").get("relay") == 1)
    assert sum(numbers(server, "gw_relay_leading").values()) == 1


async def test_an_open_socket_is_counted_where_it_is(server: LiveServer) -> None:
    async def open_sockets() -> float:
        return sum((await asyncio.to_thread(numbers, server, "gw_sockets", family="rpc")).values())

    before = await open_sockets()
    async with connected(server, "/ws/tickers/c1"), connected(server, "/ws/tickers/c2"):
        assert await open_sockets() == before + 2


async def test_an_update_is_timed_on_every_hop(server: LiveServer) -> None:
    exchange = fresh_name("timed")
    with Redis.from_url(server.redis_url) as client:
        async with connected(server, f"/ws/tickers/{exchange}/BTC/USDC") as socket:
            deadline = time.monotonic() + DEADLINE_S
            hops: set[str] = set()
            while hops != {"source_to_relay", "relay_to_reader", "reader_to_socket"}:
                assert time.monotonic() < deadline, hops
                Collector(client).tick(exchange, "BTC/USDC", price=time.time(), time=time.time())
                await socket.receive()
                text = (await asyncio.to_thread(scrape, server)).text
                hops = {
                    sample.labels["hop"]
                    for family in prometheus(text)
                    for sample in family.samples
                    if sample.name == "gw_hop_seconds_count"
                    and sample.labels["stream"] == "tickers"
                    and sample.value
                }


def test_the_relay_tells_what_the_logs_hold(server: LiveServer) -> None:
    with Redis.from_url(server.redis_url) as client:
        Collector(client).tick(fresh_name("held"), "BTC/USDC")
    assert eventually(lambda: numbers(server, "gw_log_entries", stream="tickers").get("relay", 0) >= 1)
    assert numbers(server, "gw_log_bytes", stream="tickers")["relay"] > 0
    assert numbers(server, "gw_log_bytes_budget")["relay"] == 1_073_741_824


def test_a_replaced_worker_counts_from_nought_and_leaves_nothing_behind(server: LiveServer) -> None:
    assert eventually(lambda: "worker-1" in numbers(server, "process_start_time_seconds"))
    before = numbers(server, "process_start_time_seconds")
    ended = numbers(server, "gw_child_ends_total", child="worker-1").get("supervisor", 0)
    (victim,) = (
        child
        for child in psutil.Process(server.pid).children()
        if child.cmdline()[-2:] == ["--name", "worker 1"]
    )
    os.kill(victim.pid, signal.SIGKILL)

    def replaced() -> bool:
        now = numbers(server, "process_start_time_seconds")
        return set(now) == set(before) and now["worker-1"] > before["worker-1"]

    assert eventually(replaced)
    assert numbers(server, "gw_child_ends_total", child="worker-1")["supervisor"] == ended + 1


def test_a_process_that_does_not_answer_is_counted_and_the_others_are_told(server: LiveServer) -> None:
    (victim,) = (
        child
        for child in psutil.Process(server.pid).children()
        if child.cmdline()[-2:] == ["--name", "relay"]
    )
    victim.suspend()
    try:
        answer = scrape(server)
        told = {sample.labels["process"] for family in prometheus(answer.text) for sample in family.samples}
        assert "relay" not in told
        assert {"worker-1", "worker-2", "supervisor"} <= told
    finally:
        victim.resume()
    assert sum(numbers(server, "gw_scrapes_failed_total").values()) >= 1


def test_the_directory_goes_with_the_gateway(tmp_path: Path) -> None:
    with live_server(tmp_path) as running:
        arguments = [child.cmdline() for child in psutil.Process(running.pid).children()]
        directories = {each[each.index("--metrics") + 1] for each in arguments}
        assert all(Path(each).parent == Path(tempfile.gettempdir()) for each in directories)
        assert len(directories) == 1
    assert not any(Path(each).exists() for each in directories)


def test_what_the_relay_tells_operators_is_gone_with_it(tmp_path: Path) -> None:
    with live_server(tmp_path) as running, Redis.from_url(running.redis_url) as client:
        Collector(client).tick("kraken", "BTC/USDC")

        def told() -> bool:
            raw = client.hget("gw:retention", "tickers")
            return isinstance(raw, bytes) and json.loads(raw)["entries"] >= 1

        assert eventually(told)
        assert 0 < client.ttl("gw:retention") <= 60


def test_every_metric_has_a_line_in_the_document_of_operations(server: LiveServer) -> None:
    document = (BASE / "docs" / "operations.md").read_text(encoding="utf-8")
    names = {
        family.name
        for family in prometheus(scrape(server).text)
        if family.name.startswith(("gw_", "agents_"))
    }
    assert len(names) > 40
    missing = {name for name in names if f"`{name}`" not in document and f"`{name}_total`" not in document}
    assert missing == set()
