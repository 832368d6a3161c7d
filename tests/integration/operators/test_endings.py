"""Why was I cut off: each way to end is kept with its rule, for operators and for the socket's own user."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from redis import Redis
from websockets.asyncio.client import ClientConnection, connect

from cache_streams import endings
from cache_streams.connections import close_shared_redis
from cache_streams.endings import KEPT, Endings, by_id_key, by_time_key
from cache_streams.facts import Ending, Facts
from cache_streams.metrics import ENDINGS_LOST
from tests.counts import counted
from tests.integration.accounts.live_people import Person
from tests.integration.cache_sockets import token_of as signed
from tests.integration.operators.operator import Operator
from tests.integration.operators.slow import narrow
from tests.integration.wire.collector import Collector, fresh_name, trade
from tests.integration.wire.rpc_client import DEADLINE_S, token_of
from tests.live import live_server

Told = dict[str, Any]  # Any: JSON
EXPIRES_S = 2


def id_of(socket: ClientConnection) -> str:
    assert socket.response is not None
    return socket.response.headers["X-Connection-ID"]


async def open_socket(person: Person, path: str = "/api/v1/stream", token: str = "") -> ClientConnection:
    token = token or token_of(person.server, person.uid)
    return await connect(f"{person.server.ws_url}{path}?token={token}", compression=None, close_timeout=0.5)


def asked(person: Person, connection_id: str, user_id: int | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token_of(person.server, user_id or person.uid)}"}
    url = f"{person.server.url}/api/v1/connections/{connection_id}/ending"
    return httpx.get(url, headers=headers, timeout=DEADLINE_S)


async def ending_of(person: Person, connection_id: str) -> Told:
    """Return what the socket's own user is told, once it is."""
    deadline = time.monotonic() + 2 * DEADLINE_S
    while True:
        answer = await asyncio.to_thread(asked, person, connection_id)
        if answer.status_code == 200:
            told: Told = answer.json()
            return told
        assert answer.status_code == 404, answer.text
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def close(socket: ClientConnection) -> None:
    await socket.close(1000, "done")


async def vanish(socket: ClientConnection) -> None:
    socket.transport.abort()


async def shout(socket: ClientConnection) -> None:
    await socket.send("x" * 70_000)


async def babble(socket: ClientConnection) -> None:
    socket.transport.write(b"\xff\xff\xff\xff\xff\xff\xff\xff")


async def err(socket: ClientConnection) -> None:
    for _ in range(20):
        await socket.send("no json")


async def speak_bytes(socket: ClientConnection) -> None:
    await socket.send(b"bytes")


ENDS: dict[Callable[[ClientConnection], Awaitable[None]], tuple[str, int, str | None, str]] = {
    close: ("client", 1000, "done", "the client closed it"),
    vanish: ("neither", 1006, "", "the connection was lost: no close frame came from either side"),
    shout: ("gateway", 1009, "too_large", "frame above the limit"),
    babble: ("gateway", 1002, None, "the client broke the WebSocket protocol, or its process stopped"),
    err: ("gateway", 4429, "rate_limited", "20 requests in a row could not be read"),
    speak_bytes: ("gateway", 1003, "unsupported_data", "binary frame"),
}


@pytest.mark.parametrize("provoke", ENDS, ids=lambda provoke: provoke.__name__)
async def test_each_end_is_kept_with_who_how_and_why(
    person: Person, provoke: Callable[[ClientConnection], Awaitable[None]]
) -> None:
    by, code, reason, rule = ENDS[provoke]
    socket = await open_socket(person)
    await socket.recv()
    await provoke(socket)
    told = await ending_of(person, id_of(socket))
    assert (told["ended_by"], told["code"], told["rule"]) == (by, code, rule)
    assert reason is None or told["reason"] == reason
    assert told["family"] == "native"
    assert told["opened_at"] <= told["ended_at"] <= time.time()
    await socket.close()


async def test_a_token_that_ran_out_is_the_reason(person: Person) -> None:
    token = signed(person.server, person.uid, exp=int(time.time()) + EXPIRES_S)
    socket = await open_socket(person, "/api/v1/cache/ws/tickers/c1", token)
    told = await ending_of(person, id_of(socket))
    assert (told["code"], told["reason"], told["family"]) == (1008, "Token expired", "rpc")
    assert told["rule"] == "the token's time ran out while connected"
    await socket.close()


async def test_an_operators_close_names_the_operator(person: Person, operator: Operator) -> None:
    socket = await open_socket(person)
    await asyncio.to_thread(operator.press, f"/admin/live/sockets/{id_of(socket)}/close/")
    told = await ending_of(person, id_of(socket))
    assert (told["code"], told["rule"]) == (1013, "operator 1 closed it")
    await socket.close()


async def test_the_frame_before_a_close_names_the_connection(person: Person, operator: Operator) -> None:
    socket = await open_socket(person)
    welcome = json.loads(await socket.recv())
    await asyncio.to_thread(operator.press, f"/admin/live/sockets/{id_of(socket)}/close/")
    error = json.loads(await socket.recv())
    assert error["error_code"] == "TRY_AGAIN_LATER"
    assert error["connection_id"] == welcome["connection_id"] == id_of(socket)
    await socket.close()


async def test_an_agents_socket_is_found_by_the_id_that_its_welcome_tells(person: Person) -> None:
    socket = await open_socket(person, "/api/v1/cache/ws/agents/console-1")
    told_id = json.loads(await socket.recv())["connection_id"]
    await socket.close()
    assert (await ending_of(person, told_id))["connection_id"] == id_of(socket)


async def test_what_waited_and_how_far_it_was_told_is_kept_of_a_reader_that_stalled(person: Person) -> None:
    exchange, numbers = fresh_name("stalled"), itertools.count(1)
    async with narrow(person.server, person.uid) as socket:
        await socket.recv()
        await socket.send(
            json.dumps({"op": "subscribe", "stream": "trades", "exchange": exchange, "symbol": "*"})
        )
        await socket.recv()
        socket.transport.pause_reading()
        with Redis.from_url(person.server.redis_url) as client:
            for _ in range(8):
                Collector(client).trades(exchange, "BTC/USDC", *(trade(next(numbers)) for _ in range(500)))
        told = await ending_of(person, id_of(socket))
    assert told["rule"] == "its reader took nothing for 2 s"
    assert told["bytes_waiting"] > 0
    assert told["bytes_taken"] > 0
    assert told["frames_received"] == 1
    assert [(each["stream"], each["hot"]) for each in told["subscriptions"]] == [("trades", False)]
    assert [(each["stream"], each["partition"]) for each in told["told"]] == [("trades", exchange)]
    assert told["told"][0]["cursor"]


async def test_what_is_not_yours_answers_as_what_is_unknown(person: Person, other: Person) -> None:
    socket = await open_socket(person)
    await socket.close()
    await ending_of(person, id_of(socket))
    foreign, unknown = asked(other, id_of(socket)), asked(other, "c-0000000000000000")
    assert foreign.status_code == unknown.status_code == 404
    assert {**foreign.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}
    assert asked(other, "no id").status_code == 404
    assert asked(other, id_of(socket), user_id=1).json()["code"] == 1000  # staff


async def test_an_operator_finds_it_by_id_and_by_user(person: Person, operator: Operator) -> None:
    socket = await open_socket(person)
    await socket.close()
    await ending_of(person, id_of(socket))
    found = operator.client.get("/admin/live/endings/", params={"id": f" {id_of(socket).upper()} "})
    assert found.headers["Location"] == f"/admin/live/endings/{id_of(socket)}/"
    assert "the client closed it" in operator.page(found.headers["Location"])
    by_user = {"user": person.uid, "by": "client", "code": 1000}
    assert id_of(socket) in operator.page("/admin/live/endings/", 200, **by_user)
    assert id_of(socket) not in operator.page("/admin/live/endings/", 200, user=person.uid, code=1008)
    assert "how it ended" in operator.page(f"/admin/live/sockets/{id_of(socket)}/", 404)
    operator.page("/admin/live/endings/c-0000000000000000/", 404)
    assert "id: An id is c- or agents-" in operator.page("/admin/live/endings/", 400, id="mine")


async def test_a_stopping_worker_keeps_how_its_last_sockets_ended(tmp_path: Path) -> None:
    with live_server(tmp_path) as server, Redis.from_url(server.redis_url) as client:
        url = f"{server.ws_url}/api/v1/cache/ws/tickers/c1?token={token_of(server)}"
        async with connect(url, compression=None) as socket:
            server.process.terminate()
            await socket.wait_closed()
        await asyncio.to_thread(server.process.wait, 2 * DEADLINE_S)
        raw = client.hget("gw:{endings}:by_id", id_of(socket))
    assert isinstance(raw, bytes)
    told = endings.DECODER.decode(raw)
    assert (told.code, told.reason, told.rule) == (1001, "server_shutdown", "planned stop or restart")
    assert told.worker.endswith("/worker 1")


def an_ending(number: int) -> Ending:
    facts = Facts(f"c-{number:016x}", 1, "a@b", "rpc", "/", "", 0.0, 0, None, [], [], [])
    return Ending(facts, time.time(), "client", 1000, "", "the client closed it", 0, [])


async def test_no_more_than_the_newest_are_kept(fresh_redis: Any) -> None:  # Any: the server, for its effect
    keeping = Endings()
    for number in range(KEPT):
        keeping.add(an_ending(number))
    await keeping.flush(DEADLINE_S)
    for number in range(KEPT, KEPT + 10):
        keeping.add(an_ending(number))
    await keeping.flush(DEADLINE_S)
    with Redis.from_url(fresh_redis.url) as client:
        assert client.zcard(by_time_key()) == client.hlen(by_id_key()) == KEPT
        assert client.hget(by_id_key(), f"c-{KEPT + 9:016x}")
        assert not client.hget(by_id_key(), f"c-{0:016x}")
        assert 0 < int(str(client.ttl(by_id_key()))) <= endings.KEPT_FOR_S
    await close_shared_redis()


async def test_those_of_yesterday_are_forgotten(fresh_redis: Any) -> None:  # Any: as above
    keeping = Endings()
    keeping.add(msgspec.structs.replace(an_ending(1), ended_at=time.time() - endings.KEPT_FOR_S - 1))
    keeping.add(an_ending(2))
    await keeping.flush(DEADLINE_S)
    with Redis.from_url(fresh_redis.url) as client:
        assert client.hkeys(by_id_key()) == [f"c-{2:016x}".encode()]
    await close_shared_redis()


async def test_without_redis_they_wait_and_the_oldest_give_way(settings: Any) -> None:  # Any: pytest-django's
    settings.REDIS_URL = "redis://127.0.0.1:1"
    keeping = Endings()
    with counted(ENDINGS_LOST, times=3):
        for number in range(KEPT + 3):
            keeping.add(an_ending(number))
    await keeping.flush(0.2)
    assert keeping._task is not None
    keeping._task.cancel()
    await close_shared_redis()


async def test_what_was_revoked_is_said(person: Person, operator: Operator) -> None:
    pair = await asyncio.to_thread(person.log_in)
    key = (await asyncio.to_thread(person.key))["key"]
    by_login = await open_socket(person, token=pair["access"])
    by_key = await connect(
        f"{person.server.ws_url}/api/v1/stream", additional_headers={"X-API-Key": key}, compression=None
    )
    for socket in (by_login, by_key):
        await asyncio.to_thread(operator.press, f"/admin/live/sockets/{id_of(socket)}/revoke/")
    rules = [(await ending_of(person, id_of(each)))["rule"] for each in (by_login, by_key)]
    assert rules == [
        "the token, or the login that it came from, was revoked",
        "the API key was revoked, or its time ran out",
    ]
    for socket in (by_login, by_key):
        await socket.close()
