"""``publish``: values where collectors write theirs, or events of an agent's run; one, or one per line of stdin."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator
from urllib.parse import quote

from cache_streams.client.command.exits import Exit, Stopped
from cache_streams.client.command.output import Output
from cache_streams.client.command.session import Session
from cache_streams.client.command.wishes import fields_of
from cache_streams.client.errors import RestFailed
from cache_streams.client.rest import Json, ask
from cache_streams.client.url import rest_url

AT_ONCE = 100
_BY_ELEMENT = {"orders": ("exchange", "order_id"), "process": ("process_id",)}
"""Streams whose elements are written one by one, under other names than they are followed by."""
TRIES = 5
NEW = "new"
"""In the place of a run: start one, and show its id."""


async def publish(session: Session, asked: argparse.Namespace, output: Output) -> None:
    """Publish each value; the first that is refused ends it. Raises: Stopped, RestFailed."""
    fields = _BY_ELEMENT.get(asked.stream) or fields_of(asked.stream)
    words, values = list(asked.words), None
    if words and words[-1].lstrip().startswith(("{", "[")):
        values = [words.pop()]
    if len(words) != len(fields):
        raise Stopped(Exit.USAGE, f"{asked.stream} is named by {' and '.join(fields)}")
    if values is None and sys.stdin.isatty():
        output.remark("reading values from the terminal, one JSON object per line; Ctrl-D ends")
    key, done = dict(zip(fields, words, strict=True)), 0
    async for texts in _given(values) if values is not None else _batches():
        read = [_read(text, done + number) for number, text in enumerate(texts, 1)]
        answer = await _publish(session, asked.stream, key, read)
        if key.get("run") == NEW:
            output.line(str(answer.get("run_id")))
        done += len(read)
        output.progress(f"{done} published")
    output.remark(f"{done} published")


async def _publish(session: Session, stream: str, key: dict[str, str], values: list[Json]) -> Json:
    """Publish values at once, waiting where the gateway asks for it; return the answer. Raises: Stopped, RestFailed."""
    url = rest_url(session.url, f"/cache/{stream}/")
    body: Json = {"entries": [{**key, "value": value} for value in values]}
    if key.get("run") == NEW:
        if len(values) != 1:
            raise Stopped(Exit.USAGE, "a new run is begun by one value")
        url, body = rest_url(session.url, "/agents/runs"), values[0]
    elif stream == "agents":
        url, body = (
            rest_url(session.url, f"/agents/runs/{quote(key['run'], safe='')}/events"),
            {"events": values},
        )
    for left in reversed(range(TRIES)):
        try:
            return await ask(url, body, headers=await session.headers())
        except RestFailed as failed:
            if failed.retry_after_s is None or not left:
                raise
            await asyncio.sleep(failed.retry_after_s)
    raise AssertionError("the last try returns or raises")


def _read(text: str, number: int) -> Json:
    try:
        value = json.loads(text)
    except ValueError as fault:
        raise Stopped(Exit.USAGE, f"value {number} is not JSON: {fault}") from None
    if not isinstance(value, dict | list):
        raise Stopped(Exit.USAGE, f"value {number} must be a JSON object, or a list where the stream has one")
    return value


async def _given(values: list[str]) -> AsyncIterator[list[str]]:
    yield values


async def _batches() -> AsyncIterator[list[str]]:
    """Yield the lines of stdin as they come, together what waits; read in a thread that nobody waits for: Ctrl-C ends it."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[str | None] = asyncio.Queue(AT_ONCE)

    def read() -> None:
        for line in sys.stdin:
            if line.strip():
                asyncio.run_coroutine_threadsafe(waiting.put(line), loop).result()
        asyncio.run_coroutine_threadsafe(waiting.put(None), loop)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    ended = False
    while not ended:
        lines = [await waiting.get()]
        while not waiting.empty() and len(lines) < AT_ONCE:
            lines.append(waiting.get_nowait())
        ended = lines[-1] is None
        if given := [line for line in lines if line is not None]:
            yield given
