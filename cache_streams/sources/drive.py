"""Runs readings: sends what they ask for, one pipeline per round, however many run side by side."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError

from cache_streams.metrics import MALFORMED
from cache_streams.sources.readers import Command, Reading, Reply
from cache_streams.streams.declaration import Record

logger = structlog.get_logger(__name__)


class Results:
    """Records of several readings, one list each, and when (loop time) they started and ended."""

    def __init__(self, stream: str, count: int) -> None:
        self.stream = stream
        self.records: list[list[Record]] = [[] for _ in range(count)]
        self.started = self.ended = asyncio.get_running_loop().time()


async def drive(redis: Redis, readings: list[Reading], stream: str) -> Results:
    """Run several readings side by side, one pipeline per round. Raises ``redis.RedisError``.

    A reading that fails for any other reason is our fault: it is logged and counted, and yields nothing.
    """
    results = Results(stream, len(readings))
    asked: dict[int, list[Command]] = {}
    for index, reading in enumerate(readings):
        _advance(results, asked, index, reading, None)
    while asked:
        commands = [command for commands in asked.values() for command in commands]
        replies = await _execute(redis, commands)
        turn, asked, at = asked, {}, 0
        for index, commands in turn.items():
            answer, at = replies[at : at + len(commands)], at + len(commands)
            _advance(results, asked, index, readings[index], answer)
    results.ended = asyncio.get_running_loop().time()
    return results


def permitted(reading: Reading) -> Reading:
    """Read as ``reading`` does, but raise ``NoPermissionError`` for a key that may not be read.

    The relay passes such a key over. Whoever asks a question must not be told that a market is free because the user of
    this connection may not look.
    """
    commands = next(reading)
    while True:
        replies = yield commands
        for reply in replies:
            if isinstance(reply, NoPermissionError):
                raise reply
        try:
            commands = reading.send(replies)
        except StopIteration as stop:
            return list(stop.value)


async def _execute(redis: Redis, commands: list[Command]) -> list[Reply]:
    if not commands:
        return []
    async with redis.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Any] = await pipeline.execute(raise_on_error=False)  # Any: see Reply
        return replies


def _advance(
    results: Results,
    asked: dict[int, list[Command]],
    index: int,
    reading: Reading,
    answer: list[Reply] | None,
) -> None:
    try:
        asked[index] = next(reading) if answer is None else reading.send(answer)
    except StopIteration as stop:
        results.records[index] = stop.value
    except RedisError:
        raise
    except Exception:  # a defect of one reading must not hide its neighbours
        logger.exception("reading failed", stream=results.stream)
        MALFORMED.labels(results.stream, "internal").inc()
