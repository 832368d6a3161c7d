"""What a handshake may not do to the server, and what a token must be able to: rows A4-01 to A4-03, A4-07, A4-14 to A4-24."""

from __future__ import annotations

import asyncio
import random
import socket
import time

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from tests.integration.agents_live.conftest import People
from tests.integration.agents_live.console import (
    ALIASES,
    DEADLINE_S,
    PATH,
    Rest,
    base64url,
    console,
    minted,
    opened,
)
from tests.live import LiveServer

FUZZ = 2000
IDLE_S = 60.0
PATHS = (
    PATH,
    *ALIASES,
    "/",
    "/nowhere",
    "/api/v1/stream",
    "/api/v1/cache/ws/agents/",
    f"{PATH}%00",
    f"{PATH}/../x",
)
NAMES = (
    "Authorization",
    "Origin",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Host",
    "X-API-Key",
    "Cookie",
)
VALUES = (
    "jwt-auth",
    "jwt.",
    "jwt.a.b",
    "jwt%2Dauth",
    "Bearer ",
    "Bearer x.y.z",
    "null",
    "https://evil.example",
    ",,,",
    "é",
    '"',
)
QUERIES = (
    "",
    "token=",
    "token=a.b.c",
    "after=-1",
    "after=x",
    "log_id=",
    "run_id=%00",
    "ticket=x&ticket=y",
    "&" * 80,
    "%ff%fe",
)


def shaken(server: LiveServer, drawn: random.Random, token: str) -> int:
    """Return the status that one odd handshake is answered with, 0 for none at all."""
    path, query = drawn.choice(PATHS), drawn.choice((*QUERIES, f"token={token}"))
    values = (*VALUES, f"Bearer {token}", f"jwt.{base64url(token)}", "x" * drawn.choice((10, 5000, 9000)))
    lines = [f"{drawn.choice(NAMES)}: {drawn.choice(values)}" for _ in range(drawn.randrange(4))]
    upgrade = ["Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    head = [f"GET {path}?{query} HTTP/1.1", *upgrade, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *lines]
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as peer:
        try:
            peer.sendall(("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))
            first = peer.recv(64)
        except ConnectionError:
            return 0
    return int(first.split()[1]) if first else 0


def test_a4_01_no_handshake_of_2000_odd_ones_is_a_500_and_the_server_stays_healthy(
    agents_server: LiveServer, people: People
) -> None:
    drawn, token = random.Random(4), people().token or ""
    statuses = {shaken(agents_server, drawn, token) for _ in range(FUZZ)}
    assert statuses <= {101, 200, 400, 401, 403, 404, 431}, statuses
    assert {101, 403} <= statuses
    assert httpx.get(f"{agents_server.url}/health", timeout=DEADLINE_S).json()["status"] == "healthy"
    assert "Traceback" not in agents_server.log.read_text()


def test_a4_02_a_socket_that_says_nothing_is_alive_after_a_minute(
    idle: tuple[ClientConnection, float],
) -> None:
    one, since = idle
    while time.monotonic() < since + IDLE_S and one.close_code is None:
        time.sleep(0.05)  # it is the last test, so that the minute is mostly over
    assert one.close_code is None
    assert one.ping().wait(DEADLINE_S)


async def test_a4_03_a_header_admits_alone_and_with_an_equal_subprotocol_and_not_with_another(
    agents_server: LiveServer, people: People
) -> None:
    ann, bob = people(), people()
    async with opened(agents_server, ann.token) as one:
        assert (await one.frame())["auth_method"] == "header"
    async with opened(
        agents_server, ann.token, protocols=["jwt-auth", f"jwt.{base64url(ann.token or '')}"]
    ) as one:
        assert (await one.frame())["user_id"] == str(ann.user_id)
    async with opened(
        agents_server, ann.token, protocols=["jwt-auth", f"jwt.{base64url(bob.token or '')}"]
    ) as one:
        assert (await one.frame())["error_code"] == "AUTH_CONFLICT"
        assert await one.closed() == (1008, "auth_conflict")


@pytest.mark.parametrize("origin", ["https://desk.example", None, "https://evil.example", "null", "own"])
async def test_a4_14_a_page_of_a_listed_origin_may_and_a_foreign_one_may_not(
    agents_server: LiveServer, people: People, origin: str | None
) -> None:
    ann = people()
    sent = agents_server.url if origin == "own" else origin
    headers = {"Authorization": f"Bearer {ann.token}"} | ({} if sent is None else {"Origin": sent})
    async with httpx.AsyncClient(base_url=agents_server.url, timeout=DEADLINE_S) as client:
        answer = await client.get("/api/v1/agents/runs/", headers=headers)
        asked = {"Origin": sent or "", "Access-Control-Request-Method": "POST"}
        preflight = await client.options("/api/v1/agents/runs/", headers=asked)
    listed = origin == "https://desk.example"
    assert answer.headers.get("Access-Control-Allow-Origin") == (sent if listed else None)
    assert ("Access-Control-Allow-Methods" in preflight.headers) == listed
    if origin in ("https://evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused:
            async with opened(agents_server, ann.token, origin=sent):
                pass
        assert refused.value.response.status_code == 403
    else:
        async with opened(agents_server, ann.token, origin=sent) as one:
            assert (await one.frame())["user_id"] == str(ann.user_id)


@pytest.mark.parametrize("length", [200, 373, 1000, 4096])
@pytest.mark.parametrize("carrier", ["header", "subprotocol", "query"])
async def test_a4_19_tokens_of_every_allowed_length_are_accepted_by_every_carrier(
    agents_server: LiveServer, people: People, length: int, carrier: str
) -> None:
    token = of_length(agents_server, people().user_id, length)
    async with opened(
        agents_server,
        token if carrier == "header" else None,
        # Encoded again the longest would not fit into a line of headers; raw it does.
        protocols=["jwt-auth", f"jwt.{token}"] if carrier == "subprotocol" else None,
        query=f"token={token}" if carrier == "query" else "",
    ) as one:
        assert (await one.frame())["auth_method"] == carrier


async def test_a4_19_a_token_beyond_4096_characters_is_malformed(
    agents_server: LiveServer, people: People
) -> None:
    async with opened(agents_server, of_length(agents_server, people().user_id, 4097)) as one:
        assert (await one.frame())["error_code"] == "AUTH_MALFORMED"
        assert await one.closed() == (1008, "auth_malformed")


def of_length(server: LiveServer, user_id: int, length: int) -> str:
    """Return a valid token of exactly so many characters; one of four lengths cannot be made, none of those used here."""
    tokens = (minted(server, user_id, filler="x" * filler) for filler in range(length))
    return next(token for token in tokens if len(token) == length)


async def test_a4_07_a_socket_is_told_its_own_id_and_its_users_in_both_places(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    async with console(agents_server, ann.token or "") as one, console(agents_server, ann.token or "") as two:
        welcomes = one.others[0], two.others[0]
    assert len({welcome["connection_id"] for welcome in welcomes}) == 2
    for welcome in welcomes:
        assert welcome["data"]["connection_id"] == welcome["connection_id"]
        assert welcome["data"]["user_id"] == welcome["user_id"] == str(ann.user_id)


async def test_a4_21_one_token_opens_rest_trading_streams_and_agents(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    assert ann.ask("GET", "/runs/")[0] == 200
    async with console(agents_server, ann.token or ""):
        pass
    for path in ("/api/v1/stream", "/api/v1/cache/ws/tickers/c1"):
        async with connect(f"{agents_server.ws_url}{path}?token={ann.token}", open_timeout=DEADLINE_S) as one:
            await asyncio.wait_for(await one.ping(), DEADLINE_S)


def test_a4_22_nobody_is_401_a_bad_body_422_and_who_may_not_403(
    agents_server: LiveServer, people: People
) -> None:
    started = {"agent_name": "triage"}
    assert Rest(agents_server, None).ask("POST", "/runs/", started)[0] == 401
    assert Rest(agents_server, "not.a.token").ask("POST", "/runs/", started)[0] == 401
    assert people().ask("POST", "/runs/", {"agent_name": 7})[0] == 422
    assert people("viewer").ask("POST", "/runs/", started)[0] == 403


@pytest.mark.parametrize("path", ["/oauth/authorize", "/auth/google/callback", "/api/v1/auth/oauth/token"])
def test_a4_23_what_is_not_offered_is_404_and_no_failure_of_ours(
    agents_server: LiveServer, path: str
) -> None:
    assert httpx.get(f"{agents_server.url}{path}", timeout=DEADLINE_S).status_code == 404


def test_a4_24_answers_carry_the_headers_that_keep_browsers_careful(
    agents_server: LiveServer, people: People
) -> None:
    headers = httpx.get(f"{agents_server.url}/api/v1/agents/runs/", timeout=DEADLINE_S).headers
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"]
    assert "server" not in headers


def test_a4_11_and_a4_18_six_endpoints_answer_and_uptime_only_rises(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    run_id = ann.start()
    login = {"username": "admin@fullon", "password": "password"}
    posted = httpx.post(f"{agents_server.url}/api/v1/auth/login", json=login, timeout=DEADLINE_S)
    assert posted.status_code == 200
    for path in ("/runs/", f"/runs/{run_id}/", "/health"):
        assert ann.ask("GET", path)[0] == 200
    told = [httpx.get(f"{agents_server.url}/health", timeout=DEADLINE_S).json() for _ in range(3)]
    ready = httpx.get(f"{agents_server.url}/health/ready", timeout=DEADLINE_S)
    assert (ready.status_code, ready.json()["components"]["database"]["status"]) == (200, "connected")
    uptimes = [each["uptime_seconds"] for each in told]
    assert uptimes == sorted(set(uptimes))


@pytest.mark.parametrize("path", ["/admin/login/", "/", "/docs"])
def test_a4_10_pages_for_people_answer(agents_server: LiveServer, path: str) -> None:
    assert httpx.get(f"{agents_server.url}{path}", timeout=DEADLINE_S).status_code == 200
