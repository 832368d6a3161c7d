"""What one socket and one user may do, on a real server with two workers: every refusal has a code, every cut a reason."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, suppress

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from cache_streams.protocol.allowance import EXCESS_IN_A_ROW_LIMIT
from tests.integration.cache_sockets import ADMIN, PLAIN, token_of
from tests.live import LiveServer, live_server

DEADLINE_S = 20.0
SOCKETS = 6
SUBSCRIPTIONS = 3
REQUESTS = 5
RPC, NATIVE = "/api/v1/cache/ws/tickers/c", "/api/v1/stream"
TOO_MANY = (4429, "too_many_connections")
RATE = (4429, "rate_limited")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(
        tmp_path_factory.mktemp("limits"),
        workers=2,
        SOCKETS_PER_USER=str(SOCKETS),
        SUBSCRIPTIONS_PER_SOCKET=str(SUBSCRIPTIONS),
        NATIVE_REQUESTS_PER_S=str(REQUESTS),
        RPC_REQUESTS_PER_S=str(REQUESTS),
    ) as running:
        yield running


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as everything:
        yield everything


async def opened(
    stack: AsyncExitStack, server: LiveServer, count: int = 1, *, path: str = RPC, user_id: int = PLAIN
) -> list[ClientConnection]:
    """Open sockets, all at once: the kernel spreads them over the workers."""
    url = f"{server.ws_url}{path}?token={token_of(server, user_id)}"
    connecting = (connect(url, compression=None, open_timeout=DEADLINE_S) for _ in range(count))
    return list(await asyncio.gather(*map(stack.enter_async_context, connecting)))


def still_open(sockets: list[ClientConnection]) -> list[ClientConnection]:
    return [socket for socket in sockets if socket.close_code is None]


async def settled(sockets: list[ClientConnection]) -> list[ClientConnection]:
    """Return the sockets that stay once no more than the limit do; all others were told why."""
    async with asyncio.timeout(DEADLINE_S):
        while len(still_open(sockets)) > SOCKETS:
            await asyncio.sleep(0.01)
    stay = still_open(sockets)
    assert {(each.close_code, each.close_reason) for each in sockets if each not in stay} <= {TOO_MANY}
    return stay


async def fits(server: LiveServer, user_id: int = PLAIN) -> None:
    """Wait until a user may open as many sockets as the limit says: what was counted of earlier ones is gone."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            async with AsyncExitStack() as stack:
                sockets = await opened(stack, server, SOCKETS, user_id=user_id)
                await asyncio.sleep(0.2)
                if len(still_open(sockets)) == SOCKETS:
                    return


async def answer(socket: ClientConnection, question: Mapping[str, object]) -> dict[str, object]:
    async with asyncio.timeout(DEADLINE_S):
        await socket.send(json.dumps(question))
        answered = json.loads(await socket.recv())
    assert isinstance(answered, dict)
    return answered


async def end(socket: ClientConnection) -> tuple[tuple[int | None, str | None], list[dict[str, object]]]:
    """Return how a socket ended, and what it was told before."""
    told = []
    async with asyncio.timeout(DEADLINE_S):
        try:
            while True:
                told.append(json.loads(await socket.recv()))
        except ConnectionClosed:
            return (socket.close_code, socket.close_reason), told


async def test_a_user_keeps_no_more_sockets_than_the_limit_over_all_workers(
    server: LiveServer, stack: AsyncExitStack
) -> None:
    await fits(server)
    stay = await settled(await opened(stack, server, 4 * SOCKETS))
    assert len(stay) == SOCKETS
    for socket in stay:
        assert (await answer(socket, {"action": "ping"}))["success"] is True


async def test_another_user_opens_sockets_meanwhile(server: LiveServer, stack: AsyncExitStack) -> None:
    await settled(await opened(stack, server, 2 * SOCKETS))
    await fits(server, ADMIN)


async def test_who_closes_sockets_may_open_others(server: LiveServer, stack: AsyncExitStack) -> None:
    for socket in await settled(await opened(stack, server, 2 * SOCKETS)):
        await socket.close()
    await fits(server)


async def test_a_native_socket_too_many_is_told_so_before_its_close(
    server: LiveServer, stack: AsyncExitStack
) -> None:
    sockets = await opened(stack, server, 3 * SOCKETS, path=NATIVE)
    stay = await settled(sockets)
    ended = next(socket for socket in sockets if socket not in stay)
    close, told = await end(ended)
    assert close == TOO_MANY
    assert (told[-1]["error_code"], told[-1]["retryable"]) == ("TOO_MANY_CONNECTIONS", True)


async def test_sockets_of_a_worker_that_was_killed_count_no_more(
    server: LiveServer, stack: AsyncExitStack
) -> None:
    await fits(server)
    await opened(stack, server, SOCKETS)
    for child in psutil.Process(server.pid).children(recursive=True):
        if "worker" in child.cmdline():
            os.kill(child.pid, signal.SIGKILL)
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await fits(server)
                break
            except OSError:  # until the supervisor has new ones
                await asyncio.sleep(0.05)


async def test_requests_of_the_rpc_family_beyond_the_rate_are_refused_under_their_id(
    server: LiveServer, stack: AsyncExitStack
) -> None:
    (socket,) = await opened(stack, server, user_id=ADMIN)
    answers = [await answer(socket, {"action": "ping", "request_id": n}) for n in range(REQUESTS + 3)]
    refused = next(each for each in answers if not each["success"])
    assert (refused["error_code"], refused["action"]) == ("RATE_LIMITED", "ping")
    assert [each["request_id"] for each in answers] == list(range(REQUESTS + 3))


async def test_a_native_request_beyond_the_rate_is_told_when_to_come_back(
    server: LiveServer, stack: AsyncExitStack
) -> None:
    (socket,) = await opened(stack, server, path=NATIVE, user_id=ADMIN)
    await socket.recv()
    answers = [await answer(socket, {"op": "ping", "id": n}) for n in range(REQUESTS + 3)]
    refused = next(each for each in answers if each.get("error_code"))
    assert refused["error_code"] == "RATE_LIMITED"
    wait_ms = refused["retry_after_ms"]
    assert isinstance(wait_ms, int)
    assert 0 < wait_ms <= 1000
    assert answers[0]["op"] == "ping"


@pytest.mark.parametrize(
    ("path", "request_text"),
    [
        (RPC, '{"action": "ping"}'),
        (RPC, "nonsense"),
        (NATIVE, '{"op": "ping"}'),
        (NATIVE, '{"op": "list"}'),
    ],
)
async def test_who_goes_on_asking_is_closed(
    server: LiveServer, stack: AsyncExitStack, path: str, request_text: str
) -> None:
    (socket,) = await opened(stack, server, path=path, user_id=ADMIN)

    with suppress(ConnectionClosed):
        for _ in range(2 * (REQUESTS + EXCESS_IN_A_ROW_LIMIT)):
            await socket.send(request_text)
    close, _ = await end(socket)
    assert close == RATE


async def test_a_request_that_cannot_be_read_is_no_way_around_the_rate(
    server: LiveServer, stack: AsyncExitStack
) -> None:
    (socket,) = await opened(stack, server, path=NATIVE, user_id=ADMIN)
    await socket.recv()
    for _ in range(REQUESTS + 1):
        await answer(socket, {"op": "nonsense"})
    assert (await answer(socket, {"op": "ping"}))["error_code"] == "RATE_LIMITED"


async def test_subscriptions_of_the_rpc_family_are_bounded(server: LiveServer, stack: AsyncExitStack) -> None:
    (socket,) = await opened(stack, server, user_id=ADMIN)
    symbols = [f"S{n}/U" for n in range(SUBSCRIPTIONS + 1)]
    refused = await answer(
        socket, {"action": "stream_tickers", "params": {"exchange": "kraken", "symbols": symbols}}
    )
    assert refused["error_code"] == "RATE_LIMITED"


async def test_subscriptions_of_a_native_socket_are_bounded_as_it_was_told(
    server: LiveServer, stack: AsyncExitStack
) -> None:
    (socket,) = await opened(stack, server, path=NATIVE, user_id=ADMIN)
    welcome = json.loads(await socket.recv())
    assert (welcome["limits"]["subscriptions"], welcome["limits"]["requests_per_s"]) == (
        SUBSCRIPTIONS,
        REQUESTS,
    )
    whole = {"op": "subscribe", "stream": "tickers", "exchange": "kraken"}
    full = {**whole, "symbol": [f"S{n}/U" for n in range(SUBSCRIPTIONS)]}
    assert (await answer(socket, full))["ok"] is True
    async with asyncio.timeout(DEADLINE_S):
        await socket.send(json.dumps({**whole, "symbol": "MORE/U"}))
        while (told := json.loads(await socket.recv()))["type"] != "ack":
            pass
    assert told["error_code"] == "TOO_MANY_SUBSCRIPTIONS"
