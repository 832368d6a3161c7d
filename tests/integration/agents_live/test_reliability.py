"""What ends a socket and what does not, and a whole life of a server: rows A4-15, A4-16, A4-25, A3-28 and S1 to S3."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.integration.agents_live.conftest import People
from tests.integration.agents_live.console import (
    DEADLINE_S,
    EVENTS,
    PATH,
    STEPS,
    Console,
    Frame,
    Rest,
    base64url,
    console,
    gapless,
    minted,
    opened,
    thinking,
)
from tests.live import LiveServer, live_server

ADMIN, PLAIN = 1, 2
FRAMES = 30
SOCKETS = 3
PREFIX = "/gateway"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway of two workers behind a proxy, with narrow limits and without the alias paths."""
    with live_server(
        tmp_path_factory.mktemp("narrow"),
        workers=2,
        AGENTS_ALIAS_PATHS="",
        AGENTS_FRAMES_PER_MINUTE=str(FRAMES),
        AGENTS_SOCKETS_PER_USER=str(SOCKETS),
        NUM_PROXIES="1",
        ALLOWED_HOSTS="gateway.example,127.0.0.1",
    ) as server:
        yield server


async def test_a4_15_a_binary_frame_closes_with_1003(agents_server: LiveServer, people: People) -> None:
    async with console(agents_server, people().token or "") as one:
        await one.connection.send(b"\x00")
        assert await one.closed() == (1003, "unsupported_data")
    assert one.others[-1]["error_code"] == "UNSUPPORTED_DATA"


async def test_a4_15_a_frame_beyond_the_limit_closes_with_1009_and_the_server_goes_on(
    agents_server: LiveServer, people: People
) -> None:
    token = people().token or ""
    async with console(agents_server, token) as one:
        await one.connection.send("x" * 1_048_576)
        assert (await one.closed())[0] in (1006, 1009)
    async with console(agents_server, token) as one:
        assert (await one.ask("ping"))["type"] == "pong"


async def test_a4_15_compression_is_never_required_and_offering_it_does_no_harm(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    headers = {"Authorization": f"Bearer {ann.token}"}
    url = f"{agents_server.ws_url}{PATH}"
    async with connect(url, additional_headers=headers, compression="deflate") as connection:
        one = Console(connection)
        await one.of_type("connection_established")
        ann.whole_run()
        assert [event["type"] for event in await one.told(5)] == list(EVENTS)


async def test_a4_15_frames_beyond_the_rate_are_warned_of_once_and_then_end_the_socket(
    narrow: LiveServer,
) -> None:
    async with console(narrow, minted(narrow, PLAIN)) as one:
        for _ in range(FRAMES + 2):
            await one.send({"action": "ping"})
        assert await one.closed() == (4429, "rate_limited")
    codes = [frame["error_code"] for frame in one.others if frame.get("type") == "error"]
    assert codes == ["RATE_LIMITED", "RATE_LIMITED"]


async def test_a4_15_a_user_keeps_so_many_agents_sockets_over_all_workers_and_the_others_are_told(
    narrow: LiveServer,
) -> None:
    token = minted(narrow, ADMIN)
    async with AsyncExitStack() as stack:
        opening = (stack.enter_async_context(opened(narrow, token)) for _ in range(4 * SOCKETS))
        consoles = await asyncio.gather(*opening)
        async with asyncio.timeout(DEADLINE_S):
            while sum(one.connection.close_code is None for one in consoles) > SOCKETS:
                await asyncio.sleep(0.02)
        stay = [one for one in consoles if one.connection.close_code is None]
        assert len(stay) == SOCKETS
        for one in stay:
            await one.of_type("connection_established")
            assert (await one.ask("ping"))["type"] == "pong"
        for one in consoles:
            if one not in stay:
                assert await one.closed() == (4429, "too_many_connections")
                assert one.others[-1]["error_code"] == "TOO_MANY_CONNECTIONS"
        async with opened(narrow, token, "/api/v1/cache/ws/tickers/c1") as other:  # they are counted apart
            await other.send({"action": "ping", "request_id": "q"})
            assert (await other.until(lambda frame: frame.get("request_id") == "q"))["success"] is True


async def test_a4_15_twenty_errors_in_a_row_end_the_socket_and_an_answer_forgives_them(
    agents_server: LiveServer, people: People
) -> None:
    async with console(agents_server, people().token or "") as one:
        for _ in range(2):
            for _ in range(19):
                await one.send({"action": "nonsense"})
            await one.ask("ping")
        for _ in range(20):
            await one.send({"action": "nonsense"})
        assert await one.closed() == (4429, "rate_limited")


async def test_a4_15_a_reader_that_sleeps_through_a_burst_is_told_all_of_it_afterwards(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    run_id, words = ann.start(), "w" * 8000
    async with console(agents_server, ann.token or "") as one:
        one.connection.transport.pause_reading()
        for _ in range(20):
            await asyncio.to_thread(ann.append, run_id, *[thinking(words)] * 50)
        one.connection.transport.resume_reading()
        gapless(await one.told(1000), after=1)
        await one.nothing_more()


async def test_a3_28_without_alias_paths_the_agents_own_path_and_the_trading_streams_are_served(
    narrow: LiveServer,
) -> None:
    token = minted(narrow, PLAIN)
    with pytest.raises(InvalidStatus) as refused:
        async with opened(narrow, token, "/websocket"):
            pass
    assert refused.value.response.status_code == 404
    async with console(narrow, token):
        pass
    async with opened(narrow, token, "/api/v1/cache/ws/tickers/c1") as one:
        await one.send({"action": "ping", "request_id": "q"})
        assert (await one.until(lambda frame: frame.get("request_id") == "q"))["success"] is True


async def test_a4_16_and_a4_15_a_cold_server_becomes_ready_runs_an_agent_and_says_goodbye(
    tmp_path: Path,
) -> None:
    """Readiness is told by `serve` itself: before its workers accept there is nobody to ask."""
    with live_server(tmp_path, AGENT_RUNNER="demo", DRAIN_NOTICE_S="0") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as client:
            ready = await client.get("/health/ready")
            assert ready.status_code == 200
            async with console(server, minted(server, ADMIN)) as one:
                await one.send({"type": "agent_request", "text": "hello"})
                assert (await one.told(5))[-1]["type"] == "agent_completed"
                server.process.send_signal(signal.SIGTERM)
                goodbye = await one.of_type("server_shutdown")
                assert goodbye["retry_after_ms"] > 0
                assert await one.closed() == (1001, "server_shutdown")


@asynccontextmanager
async def proxied(server: LiveServer) -> AsyncIterator[str]:
    """Run a proxy that strips a path's prefix and says for whom it asks; the block gets its URL."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        added = (
            b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /gateway\r\n"
        )
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", server.port)
        inner.write(first.replace(PREFIX.encode(), b"", 1) + b"\r\n" + added + rest)
        async with asyncio.TaskGroup() as pumps:
            pumps.create_task(pump(reader, inner))
            pumps.create_task(pump(inner_reader, writer))

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}{PREFIX}"
    finally:
        listener.close()


async def test_a4_25_behind_a_proxy_with_a_root_path_sockets_and_rest_work(narrow: LiveServer) -> None:
    bearer = {"Authorization": f"Bearer {minted(narrow, ADMIN)}"}
    async with (
        proxied(narrow) as place,
        connect(f"ws://{place}{PATH}", additional_headers=bearer, compression=None) as connection,
        httpx.AsyncClient(timeout=DEADLINE_S, headers=bearer) as client,
    ):
        one = Console(connection)
        assert (await one.of_type("connection_established"))["user_id"] == str(ADMIN)
        started = await client.post(f"http://{place}/api/v1/agents/runs/", json={"agent_name": "triage"})
        assert started.status_code == 201, started.text
        assert (await one.told(1))[0]["run_id"] == started.json()["run_id"]


async def test_s1_no_token_stands_in_any_log_line_frame_or_close_reason(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    told: list[object] = []
    token = ann.token or ""
    for carrier in (
        {"query": f"token={token}"},
        {"protocols": [f"jwt.{base64url(token)}"]},
        {"protocols": [f"jwt.{token}"]},
    ):
        async with opened(agents_server, None, **carrier) as one:
            await one.frame()
            await one.ask("reauthenticate", token=token[:-3] + "abc")
            told += [*one.others, one.connection.close_reason]
    async with opened(agents_server, None, query=f"token={token[:-3]}abc") as one:
        told += [await one.frame(), await one.closed()]
    Rest(agents_server, token).ask("GET", f"/runs/?token={token}")
    log = agents_server.log.read_text()
    assert "socket closed" in log  # it tells of sockets at all
    for secret in (token, base64url(token), token[:-3] + "abc"):
        assert secret not in log
        assert secret not in str(told)


@pytest.mark.parametrize(
    "name", ["X-Test-User", "X-E2E-Test", "X-E2E-Bypass", "X-Demo-Mode", "X-Test-Mode", "X-User-Id"]
)
async def test_s2_no_header_lets_anybody_in_without_a_token(agents_server: LiveServer, name: str) -> None:
    async with opened(agents_server, None, headers={name: "1", "X-Test-Environment": "true"}) as one:
        assert (await one.frame())["error_code"] == "AUTH_MISSING"
        assert await one.closed() == (1008, "auth_missing")


MALFORMED: dict[str, str | Frame] = {
    "missing field": {"type": "agent_thinking", "run_id": "{run}"},
    "wrong type": {"type": "agent_thinking", "run_id": "{run}", "reasoning": 7},
    "empty": {},
    "endless answer": {**STEPS[3], "run_id": "{run}", "final_response": "x" * 32_769},
    "broken json": '{"type": "agent_thinking",',
    "wrong nesting": {"type": "agent_thinking", "run_id": "{run}", "reasoning": {"text": {"text": "x"}}},
}


async def test_s3_six_malformed_events_are_errors_each_and_the_socket_stays_open(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    async with console(agents_server, ann.token or "") as one:
        run_id = ann.start()
        for body in MALFORMED.values():
            if isinstance(body, str):
                await one.connection.send(body)
            else:
                await one.send({**body, "run_id": run_id} if "run_id" in body else body)
            assert (await one.of_type("error"))["success"] is False
        assert (await one.ask("ping"))["type"] == "pong"
        await one.told(1)
        await one.nothing_more()


async def test_s3_an_answer_of_ten_thousand_characters_is_told_whole(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    async with console(agents_server, ann.token or "") as one:
        run_id = ann.start()
        end = {**STEPS[3], "final_response": "x" * 10_000}
        assert (await one.ask("publish", run_id=run_id, event=end))["success"] is True
        assert len((await one.told(2))[-1]["final_response"]) == 10_000
