"""Each refusal leaves a line that says what, why and from where, and none says by what."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.forged_tokens import REFUSED, token
from tests.live import ADMIN_MAIL, PLAIN_MAIL, LiveServer, live_server
from tests.peer import Peer

DEADLINE_S = 10.0
SECRET = "correct-horse-battery"
KEY = f"fullon_ak_{SECRET}"
FORGED = REFUSED["wrong key"][0]("")
Line = dict[str, Any]  # Any: members of a log line


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(
        tmp_path_factory.mktemp("security"),
        LOGIN_ATTEMPTS_PER_MINUTE="3",
        HANDSHAKE_TIMEOUT_S="0.5",
        PENDING_HANDSHAKES_PER_ADDRESS="3",
    ) as running:
        yield running


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=DEADLINE_S) as client:
        yield client


def line(server: LiveServer, **members: object) -> Line:
    """Return the first line with these members, once it is there."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        for text in server.log.read_text().splitlines():
            told = json.loads(text) if text.startswith("{") else {}
            if members.items() <= told.items():
                return told
        time.sleep(0.02)
    raise AssertionError(f"no line with {members}: {server.log.read_text()[-3000:]}")


def signed_by(server: LiveServer, user_id: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(server.jwt_secret, user_id=user_id)}"}


def test_a_request_without_a_credential(server: LiveServer, client: httpx.Client) -> None:
    client.get("/api/v1/orm/users/me", headers={"X-Request-ID": "nobody"})
    told = line(server, event="request refused", request_id="nobody")
    assert (told["status"], told["code"], told["path"]) == (401, "NOT_AUTHENTICATED", "/api/v1/orm/users/me")
    assert told["address"] == "127.0.0.1"
    assert "credential" not in told


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Authorization": f"Bearer {FORGED}"}, "token:signature"),
        ({"Authorization": "Bearer a.b"}, "token:shape"),
        ({"X-API-Key": KEY}, "key:unknown"),
    ],
    ids=["forged", "malformed", "key"],
)
def test_a_request_whose_credential_proves_nothing(
    server: LiveServer, client: httpx.Client, headers: dict[str, str], why: str
) -> None:
    name = why.replace(":", "-")
    client.get("/api/v1/cache/tickers", headers={**headers, "X-Request-ID": name})
    assert line(server, event="request refused", request_id=name)["credential"] == why
    client.get("/api/v1/orm/users/me", headers={"X-Request-ID": f"after-{name}"})
    assert "credential" not in line(server, event="request refused", request_id=f"after-{name}")


def test_a_refresh_token_that_is_none(server: LiveServer, client: httpx.Client) -> None:
    body = {"refresh": token(server.jwt_secret)}
    client.post("/api/v1/auth/token/refresh", json=body, headers={"X-Request-ID": "refresh"})
    assert line(server, event="request refused", request_id="refresh")["credential"] == "token:type"


def test_a_request_that_its_user_may_not_make(server: LiveServer, client: httpx.Client) -> None:
    client.post("/health/check", headers={**signed_by(server, 2), "X-Request-ID": "not-staff"})
    told = line(server, event="request refused", request_id="not-staff")
    assert (told["status"], told["user_id"]) == (403, 2)


def test_logins_that_fail_and_those_that_are_too_many(server: LiveServer, client: httpx.Client) -> None:
    for _ in range(4):
        client.post("/api/v1/auth/login", data={"username": f" {PLAIN_MAIL.upper()}", "password": SECRET})
    throttled = line(server, event="login refused", reason="throttled")
    failed = line(server, event="login refused", reason="not proven", account=throttled["account"])
    assert failed["address"] == "127.0.0.1"
    assert line(server, event="request refused", status=429)["path"] == "/api/v1/auth/login"
    assert PLAIN_MAIL not in str(failed)


def test_a_login_on_the_admin_site(server: LiveServer, client: httpx.Client) -> None:
    client.get("/admin/login/")
    crumb = client.cookies["csrftoken"]
    form = {"username": "root@nowhere", "password": SECRET, "csrfmiddlewaretoken": crumb}
    # The jar sends secure cookies over TLS alone; browsers make an exception for loopback, as we do here.
    answered = client.post(
        "/admin/login/", data=form, headers={"Cookie": f"csrftoken={crumb}", "X-Request-ID": "admin"}
    )
    assert answered.status_code == 200
    assert line(server, event="login refused", request_id="admin")["reason"] == "not proven"


def test_a_form_of_another_site(server: LiveServer, client: httpx.Client) -> None:
    client.post("/admin/login/", data={"username": ADMIN_MAIL}, headers={"X-Request-ID": "csrf"})
    assert line(server, event="request refused", request_id="csrf")["status"] == 403


def test_a_handshake(server: LiveServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with Peer(port, f"/api/v1/stream?ticket={SECRET}"):
        told = line(server, event="handshake refused", code="AUTH_INVALID", path="/api/v1/stream")
    assert told["address"] == "127.0.0.1"


def test_a_handshake_from_a_foreign_page(server: LiveServer) -> None:
    with Peer(int(server.url.rpartition(":")[2]), "/api/v1/stream", "Origin: https://evil.example"):
        line(server, event="handshake refused", code="FORBIDDEN", path="/api/v1/stream")


def test_a_token_that_comes_on_an_open_socket(server: LiveServer) -> None:
    with connect(f"{server.ws_url}/api/v1/stream", additional_headers=signed_by(server, 2)) as opened:
        opened.send(json.dumps({"op": "token", "id": 1, "token": FORGED}))
        line(server, event="token on an open socket refused", code="AUTH_INVALID")


def test_connections_that_never_become_requests(server: LiveServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with Peer(port, f"/api/v1/cache/ws?token={SECRET * 800}"):
        line(server, event="connection refused", code="AUTH_MALFORMED")
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    assert line(server, event="connection refused", code="PENDING_HANDSHAKES")["address"] == "127.0.0.1"
    line(server, event="connection refused", code="HANDSHAKE_TIMEOUT")
    for each in held:
        each.close()


def test_no_line_of_all_these_shows_a_secret(server: LiveServer, client: httpx.Client) -> None:
    for headers in (
        {"Authorization": f"Bearer {FORGED}"},
        {"X-API-Key": KEY},
        {"Cookie": f"sessionid={SECRET}"},
    ):
        client.get(f"/api/v1/orm/users/me?token={SECRET}&password={SECRET}", headers=headers)
    client.post("/api/v1/auth/login", json={"username": SECRET, "password": SECRET})
    client.post("/api/v1/auth/login", json={"username": SECRET})
    with Peer(int(server.url.rpartition(":")[2]), f"/api/v1/stream?token={SECRET}", f"X-API-Key: {KEY}"):
        pass
    client.get("/last", headers={**signed_by(server, 2), "X-Request-ID": "last"})
    client.get("/api/v1/orm/users/me", headers={"X-Request-ID": "last"})
    line(server, event="request refused", request_id="last")
    written = server.log.read_text()
    assert SECRET not in written
    assert FORGED not in written
    assert FORGED.split(".")[2] not in written
