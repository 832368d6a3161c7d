"""Runs of agents as a timeline: what they think, which tools they call, what these answer."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.browser.dashboard import Dashboard
from tests.live import ADMIN_MAIL, LiveServer


class Agent:
    """An agent of the administrator that reports over REST."""

    def __init__(self, client: httpx.AsyncClient, dashboard: Dashboard) -> None:
        self._client, self._dashboard = client, dashboard
        self.run_id = ""

    async def start(self, task: str) -> None:
        answer = await self._client.post("runs/", json={"agent_name": "clerk", "task": task})
        self.run_id = answer.raise_for_status().json()["run_id"]

    async def report(self, kind: str, **fields: object) -> None:
        answer = await self._client.post(f"runs/{self.run_id}/events/", json={"type": kind, **fields})
        answer.raise_for_status()

    @property
    def shown(self) -> Locator:
        return self._dashboard.page.locator(f'[data-stream=agents][data-id="{self.run_id}"]')

    def line(self, number: int) -> Locator:
        return self.shown.locator("li").nth(number)


@pytest_asyncio.fixture(loop_scope="session")
async def agent(dashboard: Dashboard, gateway: LiveServer) -> AsyncIterator[Agent]:
    headers = {"Authorization": f"Bearer {gateway.manage('token', '--user', ADMIN_MAIL).strip()}"}
    base = f"{gateway.url}/api/v1/agents/"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=20) as client:
        yield Agent(client, dashboard)


async def test_a_run_grows_line_by_line_with_tools_and_results(agent: Agent) -> None:
    await agent.start("Is it cheap?")
    await expect(agent.shown.locator("[data-field=task]")).to_have_text("Is it cheap?")
    await expect(agent.shown.locator("[data-field=status]")).to_have_text("running")
    await agent.report("agent_thinking", reasoning="I shall look.")
    await expect(agent.line(1)).to_contain_text("I shall look.")
    call = {"tool_name": "get_ticker", "execution_id": "e1"}
    await agent.report("tool_executing", **call, parameters={"symbol": "BTC/USDC"})
    await expect(agent.line(2)).to_contain_text('get_ticker{"symbol":"BTC/USDC"}')
    await agent.report("tool_completed", **call, results={"price": 64000.5}, duration=0.25, success=True)
    await expect(agent.line(3)).to_contain_text('get_ticker answered0.25 s{"price":64000.5}')
    await agent.report("agent_completed", status="success", final_response="Not really.")
    await expect(agent.line(4)).to_contain_text("Not really.")
    await expect(agent.shown.locator("[data-field=status]")).to_have_text("success")


async def test_a_tool_that_failed_says_why(agent: Agent) -> None:
    await agent.start("Try.")
    call = {"tool_name": "get_order", "execution_id": "e1"}
    await agent.report("tool_executing", **call, parameters={})
    await agent.report(
        "tool_completed", **call, results=None, success=False, error="No such order.", duration=0.1
    )
    await expect(agent.line(2)).to_contain_text("get_order failed0.10 sNo such order.")


async def test_runs_of_before_are_there_after_a_reload_and_the_newest_is_first_and_open(
    agent: Agent, dashboard: Dashboard
) -> None:
    await agent.start("First.")
    await agent.report("agent_completed", status="success", final_response="Done.")
    await agent.start("Second.")
    await agent.report("agent_completed", status="success", final_response="Done.")
    await expect(agent.shown).to_be_visible()
    await dashboard.page.reload()
    tasks = dashboard.page.locator("#agents [data-field=task]")
    await expect(tasks.nth(0)).to_have_text("Second.")
    await expect(tasks.nth(1)).to_have_text("First.")
    await expect(dashboard.page.locator("#agents details").nth(0)).to_have_attribute("open", "")
    await expect(dashboard.page.locator("#agents details").nth(1)).not_to_have_attribute("open", "")
