"""Jobs that a loop has given to threads are counted while they are under way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop
from asgiref.sync import sync_to_async

from cache_streams.threads import Jobs

DEADLINE_S = 5.0


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner


async def _given(work: Callable[[], None]) -> None:
    await asyncio.get_running_loop().run_in_executor(None, work)


async def _awaited(work: Callable[[], None]) -> None:
    await sync_to_async(work)()


@pytest.mark.parametrize("give", [_given, asyncio.to_thread, _awaited], ids=["loop", "to_thread", "asgiref"])
def test_a_job_is_under_way_until_it_ends(
    runner: asyncio.Runner, give: Callable[..., Coroutine[Any, Any, object]]
) -> None:
    jobs, seen = Jobs(), threading.Event()

    async def story() -> list[int]:
        jobs.count(asyncio.get_running_loop())
        counts = [jobs.under_way]
        job = asyncio.create_task(give(lambda: seen.wait(DEADLINE_S)))
        while not jobs.under_way:
            await asyncio.sleep(0)
        counts.append(jobs.under_way)
        seen.set()
        await job
        return [*counts, jobs.under_way]

    assert runner.run(story()) == [0, 1, 0]


def test_a_job_that_fails_has_ended(runner: asyncio.Runner) -> None:
    jobs = Jobs()

    async def story() -> None:
        jobs.count(asyncio.get_running_loop())
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)

    runner.run(story())
    assert jobs.under_way == 0
