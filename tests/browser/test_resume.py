"""What the page shows after the server, or the machine below the browser, was away."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.conftest import opening
from tests.browser.dashboard import Dashboard
from tests.browser.market import Deployment, Numbers
from tests.live import LiveServer, live_server

EXCHANGE = "kraken"


@dataclass
class Place:
    """A gateway that may be stopped, its collectors, and the page of an administrator who looks at one market."""

    server: LiveServer
    deployment: Deployment
    dashboard: Dashboard
    symbol: str

    def trades(self, *prices: float) -> None:
        for price in prices:
            self.deployment.trade(EXCHANGE, self.symbol, price)

    async def tape_is(self, *prices: str) -> None:
        """Wait until these are the prices on the tape, newest first."""
        cells = self.dashboard.page.locator("#tape .rows > .row:not([hidden]) [data-field=price]")
        await expect(cells).to_have_text(list(prices))


@pytest.fixture(scope="module")
def stoppable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway that no other test looks at, because it is stopped."""
    with live_server(tmp_path_factory.mktemp("stoppable")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def place(browser: Browser, stoppable: LiveServer) -> AsyncIterator[Place]:
    deployment = Deployment(stoppable.redis_url)
    symbol = f"RESUMED{next(Numbers)}/USDC"
    deployment.tick(EXCHANGE, symbol, 1.0)
    async with opening(browser, stoppable) as open_:
        dashboard = await open_()
        await dashboard.log_in()
        await dashboard.choose(EXCHANGE, symbol)
        await dashboard.page.evaluate("globalThis.neverReloaded = true")
        yield Place(stoppable, deployment, dashboard, symbol)
        assert await dashboard.page.evaluate("neverReloaded")
        dashboard.complaints.clear()  # the browser itself reports each attempt that nobody answered
    deployment.close()


async def test_after_a_restart_of_the_server_the_page_goes_on_by_itself_without_a_gap(place: Place) -> None:
    state = place.dashboard.page.locator("#connection [data-field=state]")
    place.trades(1.0)
    await place.tape_is("1.0000")
    place.server.stop()
    await expect(state).to_have_text("Reconnecting")
    place.trades(2.0, 3.0)
    place.server.start_again()
    await expect(state).to_have_text("Live")
    place.trades(4.0)
    await place.tape_is("4.0000", "3.0000", "2.0000", "1.0000")


async def test_after_a_sleep_the_page_shows_what_happened_meanwhile(place: Place) -> None:
    page = place.dashboard.page
    place.trades(1.0)
    await place.tape_is("1.0000")
    session = await page.context.new_cdp_session(page)
    await session.send("Page.setWebLifecycleState", {"state": "frozen"})
    place.trades(2.0, 3.0)
    place.deployment.tick(EXCHANGE, place.symbol, 3.0)
    await session.send("Page.setWebLifecycleState", {"state": "active"})
    await place.tape_is("3.0000", "2.0000", "1.0000")
    await expect(place.dashboard.cell("tickers", f"{EXCHANGE}:{place.symbol}", "price")).to_have_text(
        "3.0000"
    )
