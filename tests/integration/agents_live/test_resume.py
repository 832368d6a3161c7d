"""Going on after a loss of socket, process or Redis: rows R1 to R6 and A3-07 of the acceptance table."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Iterator

import psutil
import pytest
import redis
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.integration.agents_live.conftest import People
from tests.integration.agents_live.console import (
    DEADLINE_S,
    EVENTS,
    STEPS,
    Console,
    Frame,
    Rest,
    console,
    gapless,
    minted,
    thinking,
)
from tests.live import LiveServer, live_server

ADMIN = 1


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway of two workers whose processes and whose Redis these tests may harm."""
    with live_server(tmp_path_factory.mktemp("frail"), workers=2) as server:
        yield server


class Watcher:
    """A client that keeps the last cursor and goes on after it, whatever happens to its sockets."""

    def __init__(self, server: LiveServer, token: str, *, after: int = 0) -> None:
        self._server, self._token = server, token
        self.events: list[Frame] = []
        self.connects = 0
        self._after = after

    @property
    def cursor(self) -> int:
        return self.events[-1]["cursor"] if self.events else self._after

    async def read(self, until: int, *, cuts: random.Random | None = None) -> None:
        """Read to the cursor ``until``, over as many sockets as it takes; cut them at random if asked to."""
        async with asyncio.timeout(2 * DEADLINE_S):
            while self.cursor < until:
                try:
                    async with console(self._server, self._token, query=f"after={self.cursor}") as one:
                        self.connects += 1
                        await self._read_one(one, until, cuts)
                except (ConnectionClosed, InvalidHandshake, OSError, AssertionError):
                    await asyncio.sleep(
                        0.02
                    )  # nobody listens, or whoever does says that Redis or a worker is away

    async def _read_one(self, one: Console, until: int, cuts: random.Random | None) -> None:
        most = None if cuts is None else cuts.randrange(1, 40)
        while self.cursor < until and (most is None or len(one.events) < most):
            before = len(one.events)
            await one.frame()
            self.events += one.events[before:]
        if cuts is not None and cuts.random() < 0.5:
            one.connection.transport.abort()


def in_batches(user: Rest, run_id: str, count: int) -> None:
    for _ in range(count):
        user.append(run_id, *[thinking()] * 10)


async def report(user: Rest, run_id: str, count: int) -> None:
    for number in range(count):
        await asyncio.to_thread(user.good, "POST", f"/runs/{run_id}/events/", thinking(str(number)))


@pytest.mark.parametrize("seed", [1, 2])
async def test_r1_and_a3_07_over_random_cuts_500_events_come_once_and_in_order(
    agents_server: LiveServer, people: People, seed: int
) -> None:
    ann = people()
    run_id = ann.start()
    watcher = Watcher(agents_server, ann.token or "")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(in_batches, ann, run_id, 50))
        await watcher.read(501, cuts=random.Random(seed))
    gapless(watcher.events)
    assert watcher.connects > 10


async def test_r2_a_disconnect_between_each_pair_of_events_loses_none(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    watcher = Watcher(agents_server, ann.token or "")
    run_id = ann.start()
    await watcher.read(1)
    for number, step in enumerate(STEPS):
        ann.append(run_id, step)  # while nobody is connected
        await watcher.read(number + 2)
    assert [event["type"] for event in watcher.events] == list(EVENTS)
    assert watcher.connects == 5
    gapless(watcher.events)


async def test_r6_ten_reconnects_in_a_row_all_succeed(agents_server: LiveServer, people: People) -> None:
    ann = people()
    run_id = ann.start()
    for number in range(10):
        ann.append(run_id, thinking())
        async with (
            asyncio.timeout(3),
            console(agents_server, ann.token or "", query=f"after={number}") as one,
        ):
            assert (await one.told(2))[-1]["cursor"] == number + 2


def tail(user: Rest) -> int:
    """Return the newest cursor."""
    return int(user.good("GET", "/events/?after=0&limit=1")["tail"])


def mine(server: LiveServer) -> Rest:
    return Rest(server, minted(server, ADMIN), ADMIN)


@pytest.mark.parametrize("victim", ["worker", "relay"])
async def test_r3_every_event_that_was_answered_is_delivered_over_killed_processes(
    frail: LiveServer, victim: str
) -> None:
    """The socket of the killed worker is gone; a killed relay leaves sockets open and is followed by another."""
    ann = mine(frail)
    start = tail(ann)
    run_id = ann.start()
    watcher = Watcher(frail, ann.token or "", after=start)
    reading = asyncio.create_task(watcher.read(start + 201))
    stored = 0
    while stored < 200:
        if stored in (50, 120):
            kill(frail, victim)
        try:
            await asyncio.to_thread(
                ann.append, run_id, {**thinking(str(stored)), "event_id": event_id(stored)}
            )
        except OSError:  # the worker that was asked is gone; whether it stored the event, its id will tell
            await asyncio.sleep(0.05)
            continue
        stored += 1
    await reading
    gapless(watcher.events, after=start)
    assert [event["reasoning"] for event in watcher.events[1:]] == [str(number) for number in range(200)]


def event_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def kill(server: LiveServer, name: str) -> None:
    for child in psutil.Process(server.pid).children(recursive=True):
        if name in child.cmdline():
            os.kill(child.pid, signal.SIGKILL)


async def test_r4_a_flush_of_redis_amid_a_run_is_a_short_delay_and_nothing_else(frail: LiveServer) -> None:
    ann = mine(frail)
    start = tail(ann)
    run_id = ann.start()
    with redis.Redis.from_url(frail.redis_url) as own:
        # Flushing the wrong server would destroy somebody's cache.
        assert own.info("server")["process_id"] == frail.redis_pid
        async with console(frail, ann.token or "", query=f"after={start}") as one:
            for number in range(60):
                if number in (20, 40):
                    own.flushall()
                await report(ann, run_id, 1)
            gapless(await one.told(61), after=start)
            await one.nothing_more()
        assert {frame["type"] for frame in one.others} <= {
            "connection_established",
            "replay_complete",
            "pong",
            "heartbeat",
        }
    watcher = Watcher(frail, ann.token or "", after=start)
    await watcher.read(start + 61)
    gapless(watcher.events, after=start)


async def test_r5_what_was_trimmed_is_told_with_its_exact_number(
    agents_server: LiveServer, people: People
) -> None:
    ann, bob = people(), people()
    for _ in range(3):
        ann.whole_run()
    trimmed = f"""
from datetime import timedelta
from django.utils import timezone
from cache_streams.agents.models import AgentEvent, AgentUserLog
AgentEvent.objects.filter(user={ann.user_id}, cursor__lte=7).delete()
AgentUserLog.objects.filter(pk={ann.user_id}).update(floor_cursor=7)
"""
    await asyncio.to_thread(agents_server.manage, "shell", "--verbosity=0", "-c", trimmed)
    async with console(agents_server, ann.token or "", query="after=3") as one:
        gap = await one.of_type("resume_gap")
        assert (gap["requested"], gap["oldest"], gap["lost"], gap["reason"]) == (3, 8, 4, "trimmed")
        gapless(await one.told(8), after=7)
    async with console(agents_server, ann.token or "", query="after=15&log_id=another") as one:
        gap = await one.of_type("resume_gap")
        assert (gap["oldest"], gap["reason"]) == (8, "log_reset")
        gapless(await one.told(8), after=7)
    async with console(agents_server, bob.token or "", query="after=0") as one:
        assert (await one.of_type("replay_complete"))["cursor"] == 0
        await one.nothing_more()


async def test_r1_what_is_told_again_says_so_until_the_replay_is_complete(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    ann.whole_run()
    async with console(agents_server, ann.token or "", query="after=2") as one:
        assert (await one.of_type("replay_complete"))["cursor"] == 5
        assert [event["replayed"] for event in one.events] == [True] * 3
        ann.start()
        assert (await one.told(4))[-1]["replayed"] is False
        gapless(one.events, after=2)


@pytest.mark.parametrize("after", ["6", "-1", "x", "1.5", "99999999999999999999"])
async def test_r1_a_cursor_that_cannot_be_is_told_so_and_closed(
    agents_server: LiveServer, people: People, after: str
) -> None:
    ann = people()
    ann.whole_run()
    async with console(agents_server, ann.token or "", query=f"after={after}") as one:
        assert await one.closed() == (4400, "invalid_cursor")
    assert one.others[-1]["error_code"] == "INVALID_CURSOR"
    assert one.events == []


async def test_a_stream_begins_right_after_the_tail_that_its_welcome_told(
    agents_server: LiveServer, people: People
) -> None:
    user = people()
    run_id, ended = user.start(), asyncio.Event()

    def produce() -> None:
        while not ended.is_set():
            user.append(run_id, thinking())

    producing = asyncio.create_task(asyncio.to_thread(produce))
    try:
        for _ in range(40):  # some of them are opened just when an event is stored
            async with console(agents_server, user.token or "") as one:
                first = (await one.told(1))[0]["cursor"]
                assert first == one.others[0]["log"]["tail"] + 1
    finally:
        ended.set()
        await producing
