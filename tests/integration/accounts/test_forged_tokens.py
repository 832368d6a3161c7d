"""Forged and misused tokens by every carrier, on a live gateway: refused alike, whatever is wrong with them."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.forged_tokens import BELIEVED, INVALID, MALFORMED, REFUSED
from tests.integration.wire.rpc_client import DEADLINE_S
from tests.live import LiveServer

FAMILIES = {
    "rpc": "/api/v1/cache/ws/tickers/c",
    "push": "/api/v1/cache/ws/tickers/kraken/BTC/USDC",
    "native": "/api/v1/stream",
    "agents": "/api/v1/cache/ws/agents/c",
}
CARRIERS = ["query", "header", "subprotocol", "key", "ticket"]
AT_ONCE = 8
CHANGING = {"request_id", "timestamp"}
TOO_LONG_FOR_A_HANDSHAKE = "16 KiB"
"""Answered before the request reaches any application, so that agents' sockets too are told by a status."""


def carried(token: str, carrier: str) -> tuple[str, dict[str, str], list[str]]:
    """Return query, headers and subprotocols of a handshake."""
    if carrier == "query":
        return f"?token={token}", {}, []
    if carrier == "ticket":
        return f"?ticket={token}", {}, []
    if carrier == "header":
        return "", {"Authorization": f"Bearer {token}"}, []
    if carrier == "key":
        return "", {"X-API-Key": token}, []
    entry = urlsafe_b64encode(token.encode()).rstrip(b"=").decode()
    return "", {}, ["jwt-auth", f"jwt.{entry}"]


async def answer(server: LiveServer, path: str, token: str, carrier: str) -> tuple[Any, ...]:
    """Return all that a handshake is told, but for what names the request: status and body, or frame and close."""
    query, headers, protocols = carried(token, carrier)
    opening = connect(
        f"{server.ws_url}{path}{query}", additional_headers=headers, subprotocols=[*map(Subprotocol, protocols)] or None,
        compression=None, open_timeout=DEADLINE_S, close_timeout=DEADLINE_S,
    )  # fmt: skip
    try:
        async with asyncio.timeout(DEADLINE_S), opening as socket:
            told = stable(await socket.recv())
            await socket.wait_closed()
            return told, socket.close_code, socket.close_reason, socket.subprotocol
    except InvalidStatus as refused:
        told = stable(refused.response.body or b"{}")
        return refused.response.status_code, told, refused.response.headers.get("WWW-Authenticate")


def stable(body: str | bytes | bytearray) -> str:
    told = json.loads(body)
    return json.dumps({name: value for name, value in told.items() if name not in CHANGING}, sort_keys=True)


async def answers(
    server: LiveServer, path: str, carrier: str, names: list[str]
) -> dict[str, tuple[Any, ...]]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> tuple[Any, ...]:
        async with gate:
            return await answer(server, path, REFUSED[name][0](server.jwt_secret), carrier)

    return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("family", FAMILIES)
async def test_forged_tokens_are_refused_in_the_same_words(
    live_server_process: LiveServer, family: str, carrier: str
) -> None:
    names = [name for name in REFUSED if name != TOO_LONG_FOR_A_HANDSHAKE]
    told = await answers(live_server_process, FAMILIES[family], carrier, names)
    by_code: dict[str, set[tuple[Any, ...]]] = {INVALID: set(), MALFORMED: set()}
    for answered in told.values():
        text = str(answered)
        assert "Invalid authentication token" in text
        code = MALFORMED if MALFORMED in text else INVALID
        by_code[code].add(answered)
    assert all(len(said) <= 1 for said in by_code.values()), told
    if carrier in {"query", "header"}:
        for name, (_, code) in REFUSED.items():
            assert name not in told or code in str(told[name]), name


@pytest.mark.parametrize("carrier", ["query", "header", "subprotocol", "key", "ticket"])
@pytest.mark.parametrize("family", FAMILIES)
async def test_a_token_of_16_kib_is_refused_by_its_length(
    live_server_process: LiveServer, family: str, carrier: str
) -> None:
    told = await answers(live_server_process, FAMILIES[family], carrier, [TOO_LONG_FOR_A_HANDSHAKE])
    (status, body, scheme) = told[TOO_LONG_FOR_A_HANDSHAKE]
    assert (status, scheme) == (401, "Bearer")
    assert json.loads(body)["error_code"] == MALFORMED
    assert json.loads(body)["detail"] == "Invalid authentication token"


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_rest_answers_every_forged_token_as_it_answers_none(
    live_server_process: LiveServer, header: str
) -> None:
    def asked(**headers: str) -> tuple[int, str, str | None]:
        told = client.get("/api/v1/orm/users/me", headers=headers)
        return told.status_code, stable(told.content), told.headers.get("WWW-Authenticate")

    with httpx.Client(base_url=live_server_process.url, timeout=DEADLINE_S) as client:
        nobody = asked()
        assert nobody[0] == 401
        for name, (forge, _) in REFUSED.items():
            forged = forge(live_server_process.jwt_secret)
            assert asked(**{header: f"Bearer {forged}" if header == "Authorization" else forged}) == nobody, (
                name
            )


@pytest.mark.parametrize(
    ("method", "path", "member"),
    [
        ("POST", "/api/v1/auth/verify", "token"),
        ("POST", "/api/v1/auth/token/refresh", "refresh"),
        ("POST", "/api/v1/auth/logout", "refresh"),
        ("POST", "/api/v1/auth/logout", None),
    ],
)
def test_rest_says_of_every_forged_token_that_it_reads_the_same(
    live_server_process: LiveServer, method: str, path: str, member: str | None
) -> None:
    told = set()
    with httpx.Client(base_url=live_server_process.url, timeout=DEADLINE_S) as client:
        for name, (forge, _) in REFUSED.items():
            forged = forge(live_server_process.jwt_secret)
            headers = {} if member else {"Authorization": f"Bearer {forged}"}
            if name in {"refresh as access", "ghost user", TOO_LONG_FOR_A_HANDSHAKE}:
                continue  # it is one; logging nobody out is no failure; a field has a length
            answered = client.request(method, path, headers=headers, json={member: forged} if member else {})
            told.add((answered.status_code, stable(answered.content)))
    assert len(told) == 1
    assert {status for status, _ in told} == {401}


@pytest.mark.parametrize("name", BELIEVED)
async def test_a_token_of_another_service_is_believed_by_every_carrier_of_tokens(
    live_server_process: LiveServer, name: str
) -> None:
    server = live_server_process
    good = BELIEVED[name](server.jwt_secret)
    for carrier in ("query", "header", "subprotocol"):
        query, headers, protocols = carried(good, carrier)
        url = f"{server.ws_url}{FAMILIES['rpc']}{query}"
        async with connect(
            url, additional_headers=headers, subprotocols=[*map(Subprotocol, protocols)] or None
        ) as socket:
            await socket.send('{"action": "ping"}')
            assert "ok" in str(await socket.recv())
    async with httpx.AsyncClient(base_url=server.url) as client:
        me = await client.get("/api/v1/orm/users/me", headers={"Authorization": f"Bearer {good}"})
        assert me.json()["uid"] == 1


async def test_no_cookie_is_a_credential(live_server_process: LiveServer) -> None:
    server = live_server_process
    good = BELIEVED["access"](server.jwt_secret)
    cookies = {"Cookie": f"token={good}; access_token={good}; Authorization=Bearer {good}"}
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{server.ws_url}{FAMILIES['rpc']}", additional_headers=cookies)
    assert json.loads(refused.value.response.body or b"")["error_code"] == "AUTH_MISSING"
    async with httpx.AsyncClient(base_url=server.url, headers=cookies) as client:
        assert (await client.get("/api/v1/orm/users/me")).status_code == 401
