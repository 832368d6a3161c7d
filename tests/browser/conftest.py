"""Fixtures of the browser tests: a real Chromium, and a real gateway over a whole demo deployment.

Browser and tests share one event loop for the whole run, so that the browser is started once.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.dashboard import Dashboard
from tests.browser.market import Deployment
from tests.chromium import chromium_path
from tests.live import BASE, LiveServer, live_server

OpenDashboard = Callable[..., Awaitable[Dashboard]]
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests in the loop of the browser; the hook is told of all tests, not of these alone."""
    for item in items:
        if item.path.is_relative_to(HERE) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium_path())
        yield started
        await started.close()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway of their own: what other tests write would be rows of the page."""
    assert (BASE / "frontend" / "dist").is_dir(), "the dashboard was never built: run `make dashboard`"
    with live_server(tmp_path_factory.mktemp("browser")) as server:
        yield server


@pytest.fixture(scope="session")
def deployment(gateway: LiveServer) -> Iterator[Deployment]:
    """Collectors that have written everything once."""
    writing = Deployment(gateway.redis_url)
    writing.opening()
    yield writing
    writing.close()


@asynccontextmanager
async def opening(browser: Browser, server: LiveServer) -> AsyncIterator[OpenDashboard]:
    """Yield a function that opens the only tab of an empty browser; in the end nothing may have complained."""
    async with AsyncExitStack() as stack:
        opened: list[Dashboard] = []

        async def open_(
            *, width: int = 1280, height: int = 900, scheme: Literal["light", "dark"] = "light"
        ) -> Dashboard:
            context = await browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            stack.push_async_callback(context.close)
            opened.append(Dashboard(await context.new_page(), server.url))
            return opened[-1]

        yield open_
        assert [each.complaints for each in opened] == [[] for _ in opened]


@pytest_asyncio.fixture(loop_scope="session")
async def open_dashboard(
    browser: Browser, gateway: LiveServer, deployment: Deployment
) -> AsyncIterator[OpenDashboard]:
    async with opening(browser, gateway) as open_:
        yield open_


@pytest_asyncio.fixture(loop_scope="session")
async def own_dashboard(open_dashboard: OpenDashboard) -> Dashboard:
    """The page of an administrator who has just logged in, for tests that end it or change how it is."""
    opened = await open_dashboard()
    await opened.log_in()
    return opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_dashboard(
    browser: Browser, gateway: LiveServer, deployment: Deployment
) -> AsyncIterator[Dashboard]:
    async with opening(browser, gateway) as open_:
        opened = await open_()
        await opened.log_in()
        yield opened


@pytest.fixture
def dashboard(shared_dashboard: Dashboard) -> Iterator[Dashboard]:
    """The page of an administrator, open all the time: what tests write appears on it by itself."""
    yield shared_dashboard
    complaints = shared_dashboard.complaints[:]
    shared_dashboard.complaints.clear()  # each is told by one test, the one that it came in
    assert complaints == []
