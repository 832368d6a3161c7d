"""Who offers which subprotocols and gets which answer: every row of the table, on both servers, byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.integration.agents_live.console import PATH, base64url, minted, opened
from tests.live import DAPHNE, LiveServer, live_server
from tests.peer import CLOSE, TEXT, Peer, frame

PLAIN = 2
WELCOMED, MISSING, REFUSED = "connection_established", "AUTH_MISSING", 403


@dataclass(frozen=True)
class Row:
    """What is offered, what else carries a token, and the answer; ``{jwt}`` and ``{b64}`` stand for a token."""

    offered: str | None
    elsewhere: str | None
    echo: str | None
    outcome: str | int


ROWS = {
    "marker and encoded token": Row("jwt-auth, jwt.{b64}", None, "jwt-auth", WELCOMED),
    "encoded token": Row("jwt.{b64}", None, "jwt.{b64}", WELCOMED),
    "marker as a raw token's prefix": Row("jwt-auth.{jwt}", None, "jwt-auth.{jwt}", WELCOMED),
    "bearer and raw token": Row("bearer.{jwt}", None, "bearer.{jwt}", WELCOMED),
    "bug format": Row("jwt, {b64}", None, None, REFUSED),
    "missing prefix": Row("jwt-auth, {b64}", None, "jwt-auth", MISSING),
    "marker with header": Row("jwt-auth", "header", "jwt-auth", WELCOMED),
    "foreign with query": Row("graphql-ws", "query", None, REFUSED),
    "nothing with header": Row(None, "header", None, WELCOMED),
    "nothing with query": Row(None, "query", None, WELCOMED),
    "nothing at all": Row(None, None, None, MISSING),
    "percent-encoded marker": Row("jwt%2Dauth", None, None, REFUSED),
    "percent-encoded marker with header": Row("jwt%2Dauth", "header", None, REFUSED),
    "percent-encoded marker with query": Row("jwt%2Dauth", "query", None, REFUSED),
}
WRONG = ("bug format", "missing prefix", "nothing at all")


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway as it comes, on the server that is deployed or on the one for development."""
    workers = DAPHNE if request.param == "daphne" else 1
    with live_server(tmp_path_factory.mktemp(request.param), workers=workers) as server:
        yield server


def said(text: str | None, token: str) -> str | None:
    return text and text.format(jwt=token, b64=base64url(token))


def shake(server: LiveServer, row: Row, token: str = "") -> Peer:
    """Return a connection whose handshake was answered."""
    token = token or minted(server, PLAIN)
    offered = said(row.offered, token)
    headers = [] if offered is None else [f"Sec-WebSocket-Protocol: {offered}"]
    if row.elsewhere == "header":
        headers.append(f"Authorization: Bearer {token}")
    query = f"?token={token}" if row.elsewhere == "query" else ""
    return Peer(server.port, PATH + query, *headers)


def answered(peer: Peer) -> tuple[int, str | None]:
    """Return status and subprotocol of the server's answer."""
    first, *lines = peer.head.decode().split("\r\n")
    named = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), named.get("sec-websocket-protocol")


def next_frame(peer: Peer) -> dict[str, object]:
    received = peer.receive()
    assert received != "end"
    opcode, payload = received
    assert opcode == TEXT
    told = json.loads(payload)
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize("name", ROWS)
def test_a3_02_and_a4_08_each_offer_is_answered_as_the_table_says(either: LiveServer, name: str) -> None:
    row, token = ROWS[name], minted(either, PLAIN)
    with shake(either, row, token) as peer:
        status, echo = answered(peer)
        if row.outcome == REFUSED:
            assert (status, echo) == (403, None)
            return
        assert (status, echo) == (101, said(row.echo, token))
        first = next_frame(peer)
        if row.outcome == WELCOMED:
            assert (first["type"], first["user_id"]) == (WELCOMED, str(PLAIN))
            return
        assert (first["type"], first["error_code"]) == ("error", MISSING)
        assert peer.receive() == (CLOSE, (1008).to_bytes(2, "big") + b"auth_missing")


@pytest.mark.parametrize("name", ["encoded token", "marker as a raw token's prefix", "bearer and raw token"])
async def test_a4_08_a_client_that_accepts_only_what_it_offered_is_given_exactly_that(
    either: LiveServer, name: str
) -> None:
    offered = said(ROWS[name].offered, minted(either, PLAIN))
    assert offered is not None
    async with connect(f"{either.ws_url}{PATH}", subprotocols=[Subprotocol(offered)]) as client:
        assert client.subprotocol == offered
        assert json.loads(await client.recv())["type"] == WELCOMED


def test_a3_02_no_wrong_format_is_ever_taken_for_a_success_by_its_first_frame(either: LiveServer) -> None:
    for count in range(100):
        with shake(either, ROWS[WRONG[count % len(WRONG)]]) as peer:
            if answered(peer)[0] != 101:
                continue
            peer.send(frame(TEXT, '{"type":"ping"}'))
            assert next_frame(peer)["type"] == "error"


def test_a4_01_and_a4_09_a_poisoned_subprotocol_leaves_the_process_healthy(either: LiveServer) -> None:
    poison = [row for name, row in ROWS.items() if name.startswith("percent")]
    for row in poison * 3:
        with shake(either, row) as peer:
            assert answered(peer)[0] == 403
    with Peer(
        either.port, f"/nowhere?token={minted(either, PLAIN)}"
    ) as peer:  # where a poisoned process would hang
        assert answered(peer)[0] in (403, 404)
    with shake(either, ROWS["marker and encoded token"]) as peer:
        assert answered(peer) == (101, "jwt-auth")
        assert next_frame(peer)["type"] == WELCOMED


@pytest.mark.parametrize("path", [PATH, "/ws", "/websocket", "/api/v1/websocket"])
async def test_a3_01_every_path_welcomes_its_user_on_both_servers(either: LiveServer, path: str) -> None:
    async with opened(either, minted(either, PLAIN), path) as one:
        welcome = await one.frame()
    assert (welcome["type"], welcome["user_id"]) == (WELCOMED, str(PLAIN))


async def test_a3_05_of_three_users_with_three_formats_at_once_one_is_admitted(either: LiveServer) -> None:
    async def first_frame(name: str) -> str:
        offered = said(ROWS[name].offered, minted(either, PLAIN))
        try:
            async with opened(either, None, protocols=(offered or "").split(", ")) as one:
                return str((await one.frame())["type"])
        except InvalidStatus as refused:
            return str(refused.response.status_code)

    formats = ("marker and encoded token", "bug format", "missing prefix")
    assert await asyncio.gather(*map(first_frame, formats)) == [WELCOMED, "403", "error"]
