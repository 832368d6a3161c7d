"""``group_send`` from anywhere in Django reaches the sockets of every worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import httpx
import psutil
import pytest

from cache_streams.protocol.groups import group_name
from tests.integration.wire.collector import fresh_name
from tests.integration.wire.rpc_client import DEADLINE_S, Socket, connected
from tests.live import LiveServer, live_server

ESTABLISHED = psutil.CONN_ESTABLISHED
Value = dict[str, object]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(
        tmp_path_factory.mktemp("sending"),
        workers=2,
        DJANGO_SETTINGS_MODULE="tests.integration.server.sending_settings",
    ) as running:
        yield running


def from_a_view(server: LiveServer, group: str, value: Value) -> None:
    answer = httpx.post(f"{server.url}/tell", json={"group": group, "value": value}, timeout=DEADLINE_S)
    assert answer.status_code == 204


def from_a_shell(server: LiveServer, group: str, value: Value) -> None:
    message = {"type": "stream.update", "value": value}
    server.manage(
        "shell",
        "--verbosity=0",
        "-c",
        "from asgiref.sync import async_to_sync\n"
        "from channels.layers import get_channel_layer\n"
        f"async_to_sync(get_channel_layer().group_send)({group!r}, {message!r})",
    )


async def on_both_workers(server: LiveServer, stack: AsyncExitStack, path: str) -> list[Socket]:
    """Return sockets of which each of the two workers holds at least one."""
    workers = [p for p in psutil.Process(server.pid).children(recursive=True) if "worker" in p.cmdline()]
    assert len(workers) == 2
    sockets: list[Socket] = []
    while len(sockets) < 64:
        sockets.append(await stack.enter_async_context(connected(server, path)))
        mine = {socket.connection.local_address[1] for socket in sockets}
        held = [
            {end.raddr.port for end in p.net_connections("tcp") if end.status == ESTABLISHED} & mine
            for p in workers
        ]
        if all(held):
            return sockets
    raise AssertionError("all sockets are on one worker")


@pytest.mark.parametrize("send", [from_a_view, from_a_shell])
async def test_what_is_sent_to_a_group_reaches_its_sockets_on_every_worker(
    server: LiveServer, send: Callable[[LiveServer, str, Value], None]
) -> None:
    exchange = fresh_name()
    value: Value = {"exchange": exchange, "symbol": "A/B", "price": 12.5}
    async with AsyncExitStack() as stack:
        sockets = await on_both_workers(server, stack, f"/ws/tickers/{exchange}/A%2FB")
        await asyncio.to_thread(send, server, group_name("tickers", (exchange, "A/B")), value)

        async def told(socket: Socket) -> None:
            while "12.5" not in str(await socket.receive()):
                pass

        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*(told(socket) for socket in sockets))
