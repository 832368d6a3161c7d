"""Sockets of a user, counted over workers: here two of them in one process, over a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings
from redis.asyncio import Redis

from cache_streams import census
from cache_streams.census import Census
from cache_streams.connections import ask, close_shared_redis, shared_redis
from cache_streams.metrics import CENSUS_FAILURES
from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.counts import count

DEADLINE_S = 10.0
LIMIT = 5


class Worker:
    """Counts only: sockets of each user, of which the census makes it close some."""

    def __init__(self) -> None:
        self.open: dict[int, int] = {}
        self.census = Census(
            "sockets",
            lambda: int(django_settings.SOCKETS_PER_USER),
            lambda user: self.open.get(user, 0),
            lambda: list(self.open),
            self.open.__setitem__,
        )

    def opens(self, user: int, count: int) -> None:
        self.open[user] = self.open.get(user, 0) + count
        self.census.changed(user)


@pytest.fixture
async def redis(
    fresh_redis: EmbeddedRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Redis]:
    settings.SOCKETS_PER_USER = LIMIT
    monkeypatch.setattr(census, "RENEWAL_S", 0.1)
    yield shared_redis()
    await close_shared_redis()


@pytest.fixture
async def workers(redis: Redis) -> AsyncIterator[list[Worker]]:
    both = [Worker(), Worker()]
    yield both
    for worker in both:
        await worker.census.leave()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def stored(redis: Redis) -> int:
    """Return how many sockets Redis knows of."""
    total = 0
    async for key in redis.scan_iter("gw:{sockets}:*"):
        if await ask(redis, "TYPE", key) == b"hash":
            total += sum(int(count) for count in await ask(redis, "HVALS", key))
    return total


async def until_stored(redis: Redis, count: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await stored(redis) != count:
            await asyncio.sleep(0.01)


async def test_two_workers_together_keep_no_more_than_the_limit(redis: Redis, workers: list[Worker]) -> None:
    for worker in workers:
        worker.opens(1, LIMIT)
    await until(lambda: sum(worker.open[1] for worker in workers) == LIMIT)
    await until_stored(redis, LIMIT)


async def test_whoever_asks_first_keeps_what_it_has(redis: Redis, workers: list[Worker]) -> None:
    workers[0].opens(1, LIMIT - 1)
    await until_stored(redis, LIMIT - 1)
    workers[1].opens(1, 3)
    await until(lambda: workers[1].open[1] == 1)
    assert workers[0].open[1] == LIMIT - 1


async def test_another_user_is_not_concerned(redis: Redis, workers: list[Worker]) -> None:
    workers[0].opens(1, LIMIT)
    workers[1].opens(2, LIMIT)
    await until_stored(redis, 2 * LIMIT)
    assert (workers[0].open[1], workers[1].open[2]) == (LIMIT, LIMIT)


async def test_what_one_worker_lets_go_another_may_have(redis: Redis, workers: list[Worker]) -> None:
    workers[0].opens(1, LIMIT)
    await until_stored(redis, LIMIT)
    workers[0].opens(1, -LIMIT)
    await until_stored(redis, 0)
    workers[1].opens(1, LIMIT)
    await until_stored(redis, LIMIT)
    assert workers[1].open[1] == LIMIT


async def test_counts_of_a_worker_whose_lease_ended_disappear(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "LEASE_S", 0.2)
    monkeypatch.setattr(census, "RENEWAL_S", 60.0)
    killed, other = Worker(), Worker()
    killed.opens(1, LIMIT)
    await until_stored(redis, LIMIT)
    await until_stored(redis, 0)
    other.opens(1, LIMIT)
    await until_stored(redis, LIMIT)
    assert other.open[1] == LIMIT
    for worker in (killed, other):
        await worker.census.leave()


async def test_a_lease_is_renewed_while_its_worker_lives(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, workers: list[Worker]
) -> None:
    monkeypatch.setattr(census, "LEASE_S", 1.0)
    workers[0].opens(1, LIMIT)
    await until_stored(redis, LIMIT)
    ends = asyncio.get_running_loop().time() + 2.0
    while asyncio.get_running_loop().time() < ends:
        assert await stored(redis) == LIMIT
        await asyncio.sleep(0.05)


async def test_a_redis_that_forgot_is_told_again(redis: Redis, workers: list[Worker]) -> None:
    workers[0].opens(1, LIMIT)
    await until_stored(redis, LIMIT)
    await redis.flushall()
    await until_stored(redis, LIMIT)


async def test_a_worker_that_leaves_takes_its_counts_along(redis: Redis, workers: list[Worker]) -> None:
    workers[0].opens(1, LIMIT)
    await until_stored(redis, LIMIT)
    await workers[0].census.leave()
    assert await stored(redis) == 0
    workers[0].opens(1, 1)
    workers[1].opens(1, LIMIT)
    await until_stored(redis, LIMIT)


async def test_without_a_limit_nothing_is_counted(
    redis: Redis, workers: list[Worker], settings: Settings
) -> None:
    settings.SOCKETS_PER_USER = 0
    workers[0].opens(1, 1000)
    settings.SOCKETS_PER_USER = LIMIT
    workers[0].opens(2, 1)
    await until_stored(redis, 1)


async def test_without_redis_nobody_is_closed_and_the_failure_is_counted(
    redis: Redis, workers: list[Worker], settings: Settings
) -> None:
    url = settings.REDIS_URL
    await close_shared_redis()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    before = count(CENSUS_FAILURES)
    workers[0].opens(1, LIMIT + 1)
    await until(lambda: count(CENSUS_FAILURES) > before)
    assert workers[0].open[1] == LIMIT + 1
    await close_shared_redis()
    settings.REDIS_URL = url
    await until(lambda: workers[0].open[1] == LIMIT)  # when it is back the limit holds again
