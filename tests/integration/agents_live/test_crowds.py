"""Many sockets at once and one after another: rows A3-20 to A3-24 and A4-17 of the acceptance table."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import psutil
import pytest

from tests.integration.agents_live.conftest import People
from tests.integration.agents_live.console import PATH, Console, Rest, console, gapless, thinking
from tests.live import LiveServer
from tests.peer import Peer

SOCKETS_PER_USER = 10
AT_ONCE = 25
CONNECTS = 1000
MEGABYTE = 1_048_576


@asynccontextmanager
async def crowd(server: LiveServer, users: Sequence[Rest], count: int) -> AsyncIterator[list[Console]]:
    """Open sockets, all at once; each was welcomed as the user whose it is."""
    async with AsyncExitStack() as stack:
        owners = [users[number % len(users)] for number in range(count)]
        consoles = await asyncio.gather(
            *(stack.enter_async_context(console(server, owner.token or "")) for owner in owners)
        )
        assert [one.others[0]["user_id"] for one in consoles] == [str(owner.user_id) for owner in owners]
        yield list(consoles)


def resident_bytes(server: LiveServer) -> int:
    """Return what the worker that serves the sockets holds."""
    workers = [
        child for child in psutil.Process(server.pid).children(recursive=True) if "worker" in child.cmdline()
    ]
    return sum(worker.memory_info().rss for worker in workers)


async def test_a3_20_fifty_and_250_sockets_open_at_once_without_a_failure(
    agents_server: LiveServer, people: People
) -> None:
    users = [people() for _ in range(AT_ONCE)]
    for count in (50, 250):
        async with crowd(agents_server, users, count) as consoles:
            ids = {one.others[0]["connection_id"] for one in consoles}
            assert len(ids) == count


def test_a3_23_and_a4_17_a_thousand_sockets_open_without_a_failure(
    agents_server: LiveServer, people: People
) -> None:
    tokens = [people().token for _ in range(AT_ONCE)]
    for number in range(CONNECTS):
        bearer = f"Authorization: Bearer {tokens[number % AT_ONCE]}"
        with Peer(agents_server.port, PATH, bearer) as peer:
            told = peer.receive()
            assert told != "end"
            assert json.loads(told[1])["type"] == "connection_established"


@pytest.mark.timeout(400)  # sixteen thousand frames, parsed by the test itself
async def test_a3_24_250_sockets_and_17000_deliveries_fit_into_500_mb_and_rounds_leave_nothing_behind(
    agents_server: LiveServer, people: People
) -> None:
    users, each = [people() for _ in range(AT_ONCE)], 68
    async with crowd(agents_server, users, AT_ONCE * SOCKETS_PER_USER) as consoles:
        for user in users:
            await asyncio.to_thread(report, user, each)
        for one in consoles:
            gapless(await one.told(each))
        assert resident_bytes(agents_server) < 500 * MEGABYTE
    before = resident_bytes(agents_server)
    for _ in range(10):
        async with crowd(agents_server, users, 2 * AT_ONCE):
            pass
    assert resident_bytes(agents_server) < 1.1 * before


def report(user: Rest, events: int) -> None:
    """Report a run of so many events."""
    run_id = user.start()
    user.append(run_id, *[thinking()] * (events - 1))
