"""Redis clients of this process."""

import asyncio

import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError

from cache_streams.connections import ask, new_redis


@pytest.mark.parametrize("connected", [True, False])
async def test_a_command_can_be_cancelled_at_every_step_of_the_loop(
    redis_url: str, *, connected: bool
) -> None:
    """Python 3.11's ``wait_for`` loses some of these; a relay that hangs at SIGTERM is what came of it."""
    assert redis_url
    for steps in range(40):
        async with new_redis() as client:
            if connected:
                await ask(client, "PING")
            command = asyncio.ensure_future(ask(client, "PING"))
            for _ in range(steps):
                await asyncio.sleep(0)
            if command.cancel():
                await asyncio.wait([command])
                assert command.cancelled(), f"lost after {steps} steps"


async def test_a_cancelled_command_leaves_no_answer_behind_for_the_next(redis_url: str) -> None:
    assert redis_url
    async with new_redis(connections=1) as client:
        for steps in range(40):
            command = asyncio.ensure_future(ask(client, "ECHO", "first"))
            for _ in range(steps):
                await asyncio.sleep(0)
            command.cancel()
            await asyncio.wait([command])
            assert await ask(client, "ECHO", "second") == b"second"


def test_a_connection_that_closes_while_it_is_written_to_is_lost_not_broken(redis_url: str) -> None:
    """uvloop says RuntimeError, which nobody who watches over Redis catches."""
    assert redis_url

    async def write_to_a_closed_one() -> None:
        async with new_redis(connections=1) as client:
            await ask(client, "PING")
            connection = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py
            connection._writer.transport.abort()
            await asyncio.sleep(0)
            with pytest.raises(RedisConnectionError):
                await connection.send_command("PING", "x" * 100_000)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(write_to_a_closed_one())
