"""The demo's agent: whole runs of its user's, stored as all runs are, ended when the demo ends."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth import get_user_model

from cache_streams.agents.models import AgentEvent, AgentRun
from cache_streams.demo.analyst import Analyst
from cache_streams.demo.market import Market

pytestmark = pytest.mark.django_db(transaction=True)
MAIL = "chief@fullon"
DEADLINE_S = 30.0
SUCCEEDS = [
    *(
        "agent_started",
        "agent_thinking",
        "tool_executing",
        "tool_completed",
        "tool_executing",
        "tool_completed",
    ),
    *("agent_thinking", "agent_completed"),
]


class Demo:
    """A demo agent at work in the background, and what it said."""

    def __init__(self, mail: str, *, pause_s: float = 0.0, step_s: float = 0.0) -> None:
        self.said: list[str] = []
        market = Market(7, 3, time.time())
        agent = Analyst(mail, market, self.said.append, pause_s=pause_s, step_s=step_s)
        self.task = asyncio.create_task(agent.work())

    async def end(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


def make_chief() -> None:
    get_user_model().objects.create_user(MAIL, "password", is_staff=True)


@database_sync_to_async
def runs() -> list[AgentRun]:
    return list(AgentRun.objects.order_by("started_at"))


@database_sync_to_async
def kinds(run: AgentRun) -> list[str]:
    return [event.type for event in AgentEvent.objects.filter(run=run).order_by("seq")]


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_it_thinks_looks_prices_up_and_answers(fresh_redis: object) -> None:
    await database_sync_to_async(make_chief)()
    demo = Demo(f" {MAIL.upper()} ", pause_s=DEADLINE_S)

    async def done() -> bool:
        return [run.status for run in await runs()] == ["success"]

    await eventually(done)
    await demo.end()
    (run,) = await runs()
    assert await kinds(run) == SUCCEEDS
    assert demo.said == []


async def test_now_and_then_a_tool_fails(fresh_redis: object) -> None:
    await database_sync_to_async(make_chief)()
    demo = Demo(MAIL)

    async def partly() -> bool:
        return "partial" in [run.status for run in await runs()]

    await eventually(partly)
    await demo.end()
    assert [run.status for run in await runs()][:4] == ["success", "success", "success", "partial"]


async def test_a_run_under_way_is_ended_with_the_demo(fresh_redis: object) -> None:
    await database_sync_to_async(make_chief)()
    demo = Demo(MAIL, step_s=DEADLINE_S)

    async def begun() -> bool:
        return len(await runs()) == 1

    await eventually(begun)
    await demo.end()
    assert [run.status for run in await runs()] == ["cancelled"]


async def test_without_its_user_no_agent_works_and_that_is_said(fresh_redis: object) -> None:
    demo = Demo("nobody@fullon")
    await asyncio.wait_for(demo.task, DEADLINE_S)
    assert demo.said == ["Demo agent: there is no user nobody@fullon; no agent works."]
    assert await runs() == []
