"""Peers that fall silent, read nothing, or read slowly: the first two are let go of, on a real server, in time.

All deadlines are those of the defaults, divided: a second stands for 13 to 20 of them.
"""

import time
from collections.abc import Iterator

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families as prometheus
from redis import Redis

from cache_streams import outlet
from cache_streams.server import sink
from fullon_master import settings
from tests.integration.cache_sockets import ADMIN, token_of
from tests.integration.wire.collector import Collector, trade
from tests.live import LiveServer, live_server
from tests.peer import CLOSE, DEADLINE_S, PING, PONG, TEXT, Peer, frame

SECOND = 1.0
SMALL = 4096
BLOCK = b"x" * 65536


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(
        tmp_path_factory.mktemp("slow"),
        DJANGO_SETTINGS_MODULE="tests.integration.autobahn.echo_settings",
        PING_INTERVAL_S=str(SECOND),
        PONG_TIMEOUT_S=str(SECOND),
        STALL_TIMEOUT_S=str(SECOND),
        RPC_REQUESTS_PER_S="0",
        FRAMES_PER_S="0",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway that lets go of nobody for a missing pong in time: what is cut there is cut for taking nothing."""
    with live_server(
        tmp_path_factory.mktemp("busy"),
        PING_INTERVAL_S="600",
        STALL_TIMEOUT_S=str(SECOND),
        METRICS_ADDRESSES="127.0.0.1",
    ) as running:
        yield running


def connected(server: LiveServer, path: str, *, receive_buffer: int | None = None) -> Peer:
    return Peer(int(server.url.rpartition(":")[2]), path, receive_buffer=receive_buffer)


def held(server: LiveServer, peer: Peer) -> bool:
    """Return whether a process of the server still has its end of the connection."""
    workers = [
        each for each in psutil.Process(server.pid).children(recursive=True) if "worker" in each.cmdline()
    ]
    ends = [end for worker in workers for end in worker.net_connections("tcp")]
    return any(end.raddr.port == peer.port for end in ends if end.status != psutil.CONN_LISTEN)


def freed(server: LiveServer, peer: Peer) -> float:
    """Return after how many seconds the server let go of the connection."""
    assert held(server, peer)
    started = time.monotonic()
    while held(server, peer):
        assert time.monotonic() - started < DEADLINE_S, "still held"
        time.sleep(0.05)
    return time.monotonic() - started


@pytest.mark.parametrize("path", ["/echo/kept", "/echo/asgi", "/api/v1/stream", "/api/v1/cache/ws/tickers/c"])
def test_a_peer_that_answers_no_ping_is_let_go_of(server: LiveServer, path: str) -> None:
    with connected(server, f"{path}?token={token_of(server, ADMIN)}") as peer:
        freed(server, peer)


def test_a_mute_peer_that_still_reads_is_told_why(server: LiveServer) -> None:
    with connected(server, "/echo/kept") as peer:
        told = peer.receive()
        assert told[0] == PING
        assert peer.receive() == (CLOSE, (1011).to_bytes(2, "big") + b"keepalive ping timeout")


def test_a_deaf_peer_that_was_answered_until_all_was_full_is_let_go_of(server: LiveServer) -> None:
    path = f"/api/v1/cache/ws/tickers/c?token={token_of(server, ADMIN)}"
    with connected(server, path, receive_buffer=SMALL) as peer:
        peer.stuff(frame(TEXT, '{"action": "ping"}'))
        freed(server, peer)


def test_a_deaf_peer_is_cut_while_its_stream_is_busy(busy: LiveServer) -> None:
    path = f"/api/v1/cache/ws/trades/deaf/A%2FB?token={token_of(busy, ADMIN)}"
    before = stalled(busy)
    with Redis.from_url(busy.redis_url) as client, connected(busy, path, receive_buffer=SMALL) as peer:
        collector, began, written = Collector(client), time.monotonic(), 0
        assert held(busy, peer)
        while held(busy, peer):
            assert time.monotonic() - began < 6 * DEADLINE_S, "still held"
            collector.tick("deaf", "A/B")  # by which the trades' list is known to be of this market
            for _ in range(50):
                written += 1
                collector.trades("deaf", "A/B", trade(written))
    assert stalled(busy) == before + 1


def stalled(server: LiveServer) -> float:
    """Return how many sockets the server has cut because they took nothing."""
    families = prometheus(httpx.get(f"{server.url}/metrics", timeout=DEADLINE_S).text)
    samples = [sample for family in families for sample in family.samples]
    return sum(
        sample.value
        for sample in samples
        if sample.name == "gw_closes_total" and sample.labels["reason"] == "stalled"
    )


def test_a_slow_peer_is_kept_while_it_goes_on_reading(server: LiveServer) -> None:
    with connected(server, "/echo/kept", receive_buffer=SMALL) as peer:
        for _ in range(6):
            peer.send(frame(TEXT, BLOCK))
        # The first ping comes behind the backlog, which takes two seconds: one more than a pong may take.
        received = 0
        for _ in range(6):
            told = peer.receive(pause_s=2 * SECOND / 6 / len(BLOCK))
            while told[0] == PING:
                peer.send(frame(PONG, told[1]))
                told = peer.receive()
            assert told[0] == TEXT
            received += len(told[1])
        assert received == 6 * len(BLOCK)
        peer.send(frame(TEXT, "still there"))
        while (told := peer.receive())[0] == PING:
            peer.send(frame(PONG, told[1]))
        assert told == (TEXT, b"still there")


def test_by_default_a_deaf_peer_is_let_go_of_within_15_s_and_a_mute_one_within_60() -> None:
    # Noticed at the next look, and timed from the look before it.
    assert settings.STALL_TIMEOUT_S + 2 * outlet.STALL_LOOK_S <= 15
    assert settings.PING_INTERVAL_S + settings.PONG_TIMEOUT_S + sink.CLOSE_GRACE_S <= 60
