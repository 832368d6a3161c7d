"""Who gets in, as what, and for how long: rows A3-03 to A3-13 of the acceptance table."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator

import httpx
import jwt
import pytest

from tests.integration.agents_live.conftest import People
from tests.integration.agents_live.console import (
    DEADLINE_S,
    EVENTS,
    PATH,
    STEPS,
    Frame,
    Rest,
    base64url,
    console,
    gapless,
    minted,
    opened,
)
from tests.live import ADMIN_MAIL, PASSWORD, LiveServer, live_server
from tests.peer import CLOSE, TEXT, Peer
from tests.postgres import TestPostgres

STARTED = {"agent_name": "triage"}
CARRIERS = ("header", "subprotocol", "query")


def forged(server: LiveServer, user_id: int) -> str:
    """Return a token that is signed as all are, and says that it was signed otherwise."""
    parts = minted(server, user_id).split(".")
    header = base64url(json.dumps({"alg": "RS256", "typ": "JWT"}))
    signed = jwt.api_jws.get_algorithm_by_name("HS256").sign(
        f"{header}.{parts[1]}".encode(), server.jwt_secret.encode()
    )
    return f"{header}.{parts[1]}.{base64.urlsafe_b64encode(signed).rstrip(b'=').decode()}"


BAD: dict[str, Callable[[LiveServer, int, int], str]] = {
    "garbage": lambda server, user, gone: "garbage.of.tokens",
    "wrong key": lambda server, user, gone: jwt.encode({"user_id": user, "exp": 2**33}, "another key" * 4),
    "no algorithm": lambda server, user, gone: jwt.encode({"user_id": user, "exp": 2**33}, "", "none"),
    "another algorithm": lambda server, user, gone: forged(server, user),
    "refresh token": lambda server, user, gone: minted(server, user, token_type="refresh"),
    "unknown user": lambda server, user, gone: minted(server, 999_999),
    "inactive user": lambda server, user, gone: minted(server, gone),
    "expired": lambda server, user, gone: minted(server, user, exp=int(time.time()) - 1),
}


async def refused(
    server: LiveServer, token: str, carrier: str
) -> tuple[Frame, tuple[int | None, str | None]]:
    """Return what a socket was told, and how it ended."""
    async with opened(
        server,
        token if carrier == "header" else None,
        protocols=[f"jwt.{base64url(token)}"] if carrier == "subprotocol" else None,
        query=f"token={token}" if carrier == "query" else "",
    ) as one:
        told = await one.frame()
        return told, await one.closed()


@pytest.fixture(scope="module")
def gone(_pool: dict[str, Iterator[int]]) -> int:
    return next(_pool["gone"])


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("kind", BAD)
async def test_a3_08_and_a3_09_a_bad_token_is_told_why_and_closed_by_every_carrier(
    agents_server: LiveServer, people: People, gone: int, kind: str, carrier: str
) -> None:
    token = BAD[kind](agents_server, people().user_id, gone)
    told, close = await refused(agents_server, token, carrier)
    code = "AUTH_MALFORMED" if kind == "no algorithm" else "AUTH_INVALID"  # it lacks a part
    assert (told["type"], told["error_code"], told["success"]) == ("error", code, False)
    assert close == (1008, code.lower())
    assert token not in json.dumps(told)


@pytest.mark.parametrize("kind", BAD)
def test_a3_08_a_bad_token_is_401_over_rest(
    agents_server: LiveServer, people: People, gone: int, kind: str
) -> None:
    status, _ = Rest(agents_server, BAD[kind](agents_server, people().user_id, gone)).ask("GET", "/runs/")
    assert status == 401


@pytest.mark.parametrize(
    "broken",
    [
        lambda token: base64url(token) + "A" * ((1 - len(base64url(token))) % 4 or 4),
        lambda token: base64url(token)[:-1] + "+",
        lambda token: base64url(token.rpartition(".")[0]),
        lambda token: base64url(token + ".x"),
    ],
    ids=["length", "alphabet", "two parts", "four parts"],
)
def test_a3_03_a_token_that_is_not_strictly_encoded_is_malformed(
    agents_server: LiveServer, people: People, broken: Callable[[str], str]
) -> None:
    offer = f"Sec-WebSocket-Protocol: jwt-auth, jwt.{broken(people().token or '')}"
    with Peer(agents_server.port, PATH, offer) as peer:
        told = peer.receive()
        assert told != "end"
        assert (told[0], json.loads(told[1])["error_code"]) == (TEXT, "AUTH_MALFORMED")
        assert peer.receive() == (CLOSE, (1008).to_bytes(2, "big") + b"auth_malformed")


@pytest.mark.parametrize("character", "=/")
def test_a3_03_what_no_subprotocol_may_contain_ends_the_handshake(
    agents_server: LiveServer, people: People, character: str
) -> None:
    offer = f"Sec-WebSocket-Protocol: jwt-auth, jwt.{base64url(people().token or '')}{character}"
    with Peer(agents_server.port, PATH, offer) as peer:
        assert int(peer.head.split()[1]) in (400, 403)


def test_a3_04_login_socket_message_and_answer_are_one_flow(agents_server: LiveServer) -> None:
    body = {"username": ADMIN_MAIL, "password": PASSWORD}
    login = httpx.post(f"{agents_server.url}/api/v1/auth/login", json=body, timeout=DEADLINE_S)
    assert login.status_code == 200, login.text

    async def flow() -> list[Frame]:
        async with console(agents_server, login.json()["access_token"]) as one:
            await one.send({"type": "agent_request", "text": "why did my order not fill", "request_id": "r"})
            return await one.told(5)

    told = asyncio.run(flow())
    assert [event["type"] for event in told] == list(EVENTS)
    assert told[-1]["final_response"] == "You said 6 word(s)."


async def test_a3_09_a_token_that_ends_is_announced_and_ends_the_socket_in_time(
    agents_server: LiveServer, people: People
) -> None:
    ends = int(time.time()) + 3
    async with console(agents_server, people(exp=ends).token or "") as one:
        close = await one.closed()
        late_s = time.time() - ends
    kinds = [(frame.get("type"), frame.get("error_code")) for frame in one.others]
    assert ("token_expiring", None) in kinds
    assert kinds[-1] == ("auth_required", "TOKEN_EXPIRED")
    assert close == (1008, "Token expired")
    assert 0 <= late_s < DEADLINE_S


async def test_a3_09_a_fresh_token_of_the_same_user_prevents_the_end(
    agents_server: LiveServer, people: People
) -> None:
    ends = int(time.time()) + 2
    ann = people(exp=ends)
    async with console(agents_server, ann.token or "") as one:
        answer = await one.ask("reauthenticate", token=minted(agents_server, ann.user_id))
        assert answer["success"] is True
        await one.until(lambda frame: time.time() > ends + 0.5)  # heartbeats come each second
        assert (await one.ask("ping"))["type"] == "pong"


ROLES = {
    "viewer": (["viewer"], ["read"], [200, 403, 403, 403]),
    "user": (["user"], ["agent_execute", "read", "write"], [200, 201, 201, 200]),
    "admin": (["admin"], ["admin", "agent_execute", "read", "write"], [200, 201, 201, 200]),
    "producer": (["producer"], ["publish_any"], [403, 403, 404, 404]),
}


@pytest.mark.parametrize("role", ROLES)
async def test_a3_10_each_role_is_welcomed_as_the_database_knows_it_and_may_what_it_may(
    agents_server: LiveServer, people: People, role: str
) -> None:
    roles, permissions, statuses = ROLES[role]
    who = people(role)
    async with console(agents_server, who.token or "") as one:
        welcome = one.others[0]
        assert (welcome["roles"], welcome["permissions"]) == (roles, permissions)
        listed, _ = who.ask("GET", "/runs/")
        started, run = who.ask("POST", "/runs/", STARTED)
        run_id = run.get("run_id", "of-nobody")
        appended, _ = who.ask("POST", f"/runs/{run_id}/events/", STEPS[0])
        cancelled, _ = who.ask("POST", f"/runs/{run_id}/cancel/")
        assert [listed, started, appended, cancelled] == statuses
        assert who.ask("GET", "/admin/runs/")[0] == (200 if role == "admin" else 403)
        if started == 201:
            told = (await one.told(1))[0]
            assert told["user_context"] == {"roles": roles, "permissions": permissions}
        else:
            await one.nothing_more()


async def test_a3_10_a_token_narrows_what_its_user_may_and_never_widens_it(
    agents_server: LiveServer, people: People
) -> None:
    narrow, wide = (
        people(permissions=["read"]),
        people("viewer", permissions=["read", "agent_execute", "admin"]),
    )
    for who in (narrow, wide):
        async with console(agents_server, who.token or "") as one:
            assert one.others[0]["permissions"] == ["read"]
            assert (await one.ask("start_run", **STARTED))["error_code"] == "FORBIDDEN"
            assert who.ask("POST", "/runs/", STARTED)[0] == 403


async def test_a3_12_a_token_of_any_length_of_life_starts_a_run_until_it_ends(
    agents_server: LiveServer, people: People
) -> None:
    soon, over = people(exp=int(time.time()) + 900), people(exp=int(time.time()) - 1)
    async with console(agents_server, soon.token or "") as one:
        ends = one.others[0]["token_expires_at"]
        soon.start(context={"desk": "fx"})
        told = (await one.told(1))[0]
    assert ends is not None
    assert told["context"] == {"desk": "fx"}
    assert over.ask("POST", "/runs/", STARTED)[0] == 401


async def test_a3_13_without_the_user_store_nobody_is_admitted_until_it_is_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    postgres = TestPostgres.start()
    try:
        with live_server(tmp_path_factory.mktemp("away"), DATABASE_URL=postgres.url) as server:
            with postgres.away():
                told, close = await refused(server, minted(server, 2), "header")
                assert (told["error_code"], told["retryable"]) == ("INTERNAL_ERROR", True)
                assert close == (1011, "internal_error")
            async with asyncio.timeout(5.0):  # as all that waits for a database that is back
                while await first_frame(server) != "connection_established":
                    await asyncio.sleep(0.2)
    finally:
        postgres.stop()


async def first_frame(server: LiveServer) -> str:
    async with opened(server, minted(server, 2)) as one:
        kind: str = (await one.frame())["type"]
        return kind


async def test_a3_11_a_user_of_two_sockets_sees_the_same_on_both(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    async with console(agents_server, ann.token or "") as one, console(agents_server, ann.token or "") as two:
        ann.whole_run()
        assert await one.told(5) == await two.told(5)
        gapless(one.events)
