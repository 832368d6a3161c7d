"""Limits on a live gateway with two workers, asked from addresses of the loopback network: proxies and everybody else."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.live import LiveServer, live_server
from tests.peer import Peer

PROXY, STRANGER = "127.0.0.7", "127.0.1.1"
LIMIT, ADDRESS_LIMIT, PENDING = 6, 9, 5
LOGIN = "/api/v1/auth/login"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(
        tmp_path_factory.mktemp("proxies"),
        workers=2,
        NUM_PROXIES="1",
        TRUSTED_PROXIES="127.0.0.0/28",
        LOGIN_ATTEMPTS_PER_MINUTE=str(LIMIT),
        ADDRESS_LOGIN_ATTEMPTS_PER_MINUTE=str(ADDRESS_LIMIT),
        PENDING_HANDSHAKES_PER_ADDRESS=str(PENDING),
        HTTPS_ONLY="true",
    ) as running:
        yield running


def guess(server: LiveServer, account: str, peer: str, **headers: str) -> int:
    """Return the status of a wrong login, over a connection of its own: the workers share them."""
    transport = httpx.HTTPTransport(local_address=peer)
    with httpx.Client(base_url=server.url, transport=transport, timeout=20) as client:
        form = {"username": account, "password": "wrong"}
        return client.post(LOGIN, data=form, headers=headers).status_code


def unique() -> str:
    return f"{uuid.uuid4().hex}@fullon"


def through(client: str) -> dict[str, str]:
    return {"X-Forwarded-For": client, "X-Forwarded-Proto": "https"}


def test_guesses_at_one_account_are_counted_over_workers_and_addresses(server: LiveServer) -> None:
    account = unique()
    told = [guess(server, account, PROXY, **through(f"203.0.113.{host}")) for host in range(LIMIT + 2)]
    assert told == [401] * LIMIT + [429] * 2


def test_guesses_of_one_client_are_counted_over_workers_and_accounts(server: LiveServer) -> None:
    told = [guess(server, unique(), PROXY, **through("198.51.100.1")) for _ in range(ADDRESS_LIMIT + 2)]
    assert told == [401] * ADDRESS_LIMIT + [429] * 2


def test_a_client_that_forges_addresses_before_its_proxy_is_still_one(server: LiveServer) -> None:
    told = [
        guess(server, unique(), PROXY, **through(f"203.0.113.{n}, 198.51.100.2"))
        for n in range(ADDRESS_LIMIT + 2)
    ]
    assert told == [401] * ADDRESS_LIMIT + [429] * 2


def test_a_stranger_is_believed_neither_address_nor_scheme(server: LiveServer) -> None:
    # Plain HTTP is sent to https before anybody looks at it; a believed scheme would have been answered 401 here.
    assert guess(server, unique(), STRANGER, **through("203.0.113.9")) == 301


def test_many_clients_may_begin_at_once_behind_a_named_network(server: LiveServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with ExitStack() as stack:
        for _ in range(4 * PENDING):
            held = stack.enter_context(
                socket.create_connection(("127.0.0.1", port), source_address=(PROXY, 0))
            )
            held.sendall(b"GET /health/live HTTP/1.1\r\n")
        assert guess(server, unique(), PROXY, **through("203.0.113.200")) == 401


def test_a_page_of_the_proxys_own_origin_may_open_a_socket_under_wss(server: LiveServer) -> None:
    port = int(server.url.rpartition(":")[2])
    origin = "Origin: https://localhost"
    with Peer(port, "/api/v1/stream", origin, "X-Forwarded-Proto: https") as believed:
        assert b" 101 " in believed.head.split(b"\r\n")[0]  # accepted, told why not, closed
    with Peer(port, "/api/v1/stream", origin) as plain:
        assert b" 403 " in plain.head.split(b"\r\n")[0]
