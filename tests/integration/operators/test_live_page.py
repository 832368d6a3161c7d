"""The live page over two workers: who is connected, found and counted, told apart from who may not look."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import signal
import time
from contextlib import AsyncExitStack

import httpx
import psutil
import pytest
from redis import Redis
from websockets.asyncio.client import ClientConnection

from cache_streams.templatetags.amounts import UNKNOWN
from tests.integration.accounts.live_people import PASSWORD as LIVE_PASSWORD
from tests.integration.accounts.live_people import Person, sockets
from tests.integration.cache_sockets import opened
from tests.integration.operators.operator import Operator, cookies_of, listed, told
from tests.integration.operators.slow import narrow
from tests.integration.wire.collector import Collector, fresh_name, trade
from tests.integration.wire.rpc_client import DEADLINE_S, token_of
from tests.live import LiveServer


def id_of(socket: ClientConnection) -> str:
    assert socket.response is not None
    return socket.response.headers["X-Connection-ID"]


async def opened_by(stack: AsyncExitStack, person: Person, count: int = 1) -> list[ClientConnection]:
    token = token_of(person.server, person.uid)
    return await sockets(stack, person.server, query=f"token={token}", count=count)


async def page(operator: Operator, **query: object) -> str:
    return await asyncio.to_thread(lambda: operator.page("/admin/live/", 200, **query))


async def test_every_socket_of_a_user_is_listed_whichever_worker_holds_it(
    gateway: LiveServer, operator: Operator, person: Person
) -> None:
    async with AsyncExitStack() as stack:
        mine = {id_of(each) for each in await opened_by(stack, person, 12)}
        text = await page(operator, user=person.uid)
        assert set(listed(text)) == mine
        assert "12 wanted" in text
        assert person.mail in text


async def test_a_socket_is_found_by_each_of_its_facts(
    gateway: LiveServer, operator: Operator, person: Person
) -> None:
    async with opened(gateway, "//api/v1/stream", token_of(gateway, person.uid)) as opened_one:
        await opened_one.receive()
        await opened_one.send({"op": "subscribe", "stream": "trades", "exchange": "kraken", "symbol": "*"})
        await opened_one.receive()
        mine = id_of(opened_one.connection)
        for query in (
            {"q": mine},
            {"q": mine.upper()},
            {"q": person.mail},
            {"q": "/api/v1/stream", "user": person.uid},
            {"q": "127.0.0.1", "user": person.uid},
            {"family": "native", "user": person.uid},
            {"stream": "trades", "user": person.uid},
        ):
            assert listed(await page(operator, **query)) == [mine], query
        for query in ({"family": "rpc"}, {"stream": "bots"}, {"cold": "on"}, {"q": "no such"}):
            assert listed(await page(operator, **query, user=person.uid)) == [], query


async def test_a_worker_is_asked_alone(gateway: LiveServer, operator: Operator, person: Person) -> None:
    async with AsyncExitStack() as stack:
        mine = {id_of(each) for each in await opened_by(stack, person, 12)}
        workers = set(re.findall(r'<a href="\?worker=[^"]*">([^<]+)</a>', await page(operator)))
        assert {name.partition("/")[2] for name in workers} == {"worker 1", "worker 2"}
        parts = [listed(await page(operator, user=person.uid, worker=name)) for name in workers]
        assert set().union(*parts) == mine
        assert sum(map(len, parts)) == len(mine)


async def test_rows_stand_in_the_order_asked_for_and_on_pages(
    gateway: LiveServer, operator: Operator, person: Person
) -> None:
    async with AsyncExitStack() as stack:
        mine = [id_of(each) for each in await opened_by(stack, person, 30)]
        newest = [listed(await page(operator, user=person.uid, page=number)) for number in (1, 2)]
        assert [*newest[0], *newest[1]] == mine[::-1]
        assert len(newest[0]) == 25
        assert listed(await page(operator, user=person.uid, order="oldest")) == mine[:25]


async def test_a_socket_that_does_not_read_is_cold_and_something_waits(
    gateway: LiveServer, operator: Operator, person: Person
) -> None:
    exchange, numbers = fresh_name("slow"), itertools.count(1)
    async with narrow(gateway, person.uid) as one:
        await one.recv()
        await one.send(
            json.dumps({"op": "subscribe", "stream": "trades", "exchange": exchange, "symbol": "*"})
        )
        await one.recv()
        one.transport.pause_reading()
        deadline, text = time.monotonic() + DEADLINE_S, ""
        with Redis.from_url(gateway.redis_url) as client:
            while listed(text) != [id_of(one)]:
                assert time.monotonic() < deadline
                Collector(client).trades(exchange, "BTC/USDC", *(trade(next(numbers)) for _ in range(500)))
                text = await page(operator, user=person.uid, cold="on")
        assert told(text, "bytes waiting") != "0 bytes"


async def test_a_stream_tells_its_rate_age_and_retention(gateway: LiveServer, operator: Operator) -> None:
    exchange, deadline = fresh_name("aged"), time.monotonic() + 2 * DEADLINE_S
    with Redis.from_url(gateway.redis_url) as client:
        while True:
            Collector(client).tick(exchange, "BTC/USDC", price=time.time())
            row = re.search(
                r"stream=tickers\">tickers</a></td>\s*<td>([^<]*)</td><td>([^<]*)</td>", await page(operator)
            )
            assert row is not None
            if row[1] not in (UNKNOWN, "0.0") and row[2] != UNKNOWN:
                break
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
    assert float(row[1].replace(",", "")) > 0
    assert row[2].endswith(" s")


async def test_the_latency_of_each_hop_is_told(gateway: LiveServer, operator: Operator) -> None:
    exchange, deadline = fresh_name("timed"), time.monotonic() + 2 * DEADLINE_S
    with Redis.from_url(gateway.redis_url) as client:
        async with opened(gateway, f"/ws/tickers/{exchange}/BTC/USDC", token_of(gateway)) as opened_one:
            text = ""
            while not all(hop in text for hop in ("source_to_relay", "relay_to_reader", "reader_to_socket")):
                assert time.monotonic() < deadline
                Collector(client).tick(exchange, "BTC/USDC", price=time.time(), time=time.time())
                await opened_one.receive()
                text = await page(operator)


def test_the_page_asks_for_its_newer_part_alone(operator: Operator) -> None:
    part = operator.client.get("/admin/live/", headers={"HX-Request": "true"}).text
    assert "<dt>sockets</dt>" in part
    assert "<html" not in part
    assert 'hx-get="/admin/live/?stream=trades"' in operator.page(stream="trades")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"user": "-1"}, "user: Ensure this value is greater than or equal to 0"),
        ({"page": "41"}, "page: Ensure this value is less than or equal to 40"),
        ({"order": "best"}, "order: Select a valid choice"),
        ({"q": "x" * 65}, "q: Ensure this value has at most 64 characters"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_field_and_rule(
    operator: Operator, query: dict[str, str], words: str
) -> None:
    assert words in operator.page(status=400, **query)


async def test_what_clients_choose_is_text_and_never_markup(gateway: LiveServer, operator: Operator) -> None:
    path = "/ws/tickers/%3Cimg%20src=x%3E"
    async with opened(gateway, path, token_of(gateway)) as opened_one:
        text = await page(operator, q=id_of(opened_one.connection))
    assert "&lt;img src=x&gt;" in text
    assert "<img" not in text


def test_who_is_not_logged_in_is_asked_to(gateway: LiveServer) -> None:
    answer = httpx.get(f"{gateway.url}/admin/live/", timeout=DEADLINE_S)
    assert answer.headers["Location"].startswith("/admin/login/")


def test_only_staff_with_the_permission_look(gateway: LiveServer, clerk: Person) -> None:
    grant = (
        f"from django.contrib.auth.models import *; Group.objects.get(name='staff').user_set.add({clerk.uid})"
    )
    with Operator.logged_in(gateway, clerk.mail, LIVE_PASSWORD) as who:
        for path in ("/admin/live/", "/admin/live/sockets/c-1/", "/admin/live/users/1/"):
            who.page(path, 403)
        assert "/admin/live/" not in who.page("/admin/")
        gateway.manage("shell", "--verbosity=0", "-c", grant)
        assert "/admin/live/" in who.page("/admin/")
        who.page("/admin/live/")


def test_nobody_closes_anything_by_a_link(operator: Operator) -> None:
    for path in ("sockets/c-1/close/", "sockets/c-1/revoke/", "users/2/close/"):
        operator.page(f"/admin/live/{path}", status=405)


async def test_a_worker_that_hangs_is_said_to_be_missing(gateway: LiveServer, operator: Operator) -> None:
    """Whichever worker answers the request: the other one is stopped, or this one would not answer."""
    workers = [
        child
        for child in psutil.Process(gateway.pid).children()
        if child.cmdline()[-2:-1] == ["--name"] and child.cmdline()[-1].startswith("worker")
    ]
    text = ""
    for worker in workers:
        fresh = httpx.AsyncClient(headers={"Cookie": cookies_of(operator.client)}, timeout=2 * DEADLINE_S)
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            asked = asyncio.create_task(fresh.get(f"{gateway.url}/admin/live/"))
            await asyncio.wait({asked}, timeout=DEADLINE_S / 2)
        finally:
            os.kill(worker.pid, signal.SIGCONT)
        text += (await asked).text
        await fresh.aclose()
    assert "1 workers did not answer in time" in text


def test_with_redis_away_the_page_says_so(gateway: LiveServer, operator: Operator) -> None:
    os.kill(gateway.redis_pid, signal.SIGSTOP)
    try:
        assert "Redis is away" in operator.page(status=503)
    finally:
        os.kill(gateway.redis_pid, signal.SIGCONT)
    deadline = time.monotonic() + DEADLINE_S
    while "worker 2" not in operator.page() or "worker 1" not in operator.page():
        assert time.monotonic() < deadline
