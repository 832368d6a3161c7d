"""What the page costs: no jump of its layout while values stream in, and next to nothing in the background."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from playwright.async_api import CDPSession, Page, expect

from tests.browser.dashboard import Dashboard
from tests.browser.market import Deployment

# A number that stands at the end of its cell begins elsewhere when it gets a digit more: that is no jump.
WATCH_LAYOUT = """() => {
  globalThis.jumped = [];
  globalThis.score = 0;
  new PerformanceObserver((list) => {
    for (const { sources, value } of list.getEntries()) {
      score += value;
      jumped.push(...sources.map(({ node }) => node).filter((node) => node?.nodeType === Node.ELEMENT_NODE)
        .map((node) => node.outerHTML.slice(0, 200)));
    }
  }).observe({ type: "layout-shift" });
}"""
# A headless browser never hides a page, whichever tab is in front: the page is told so as a browser tells it.
SET_HIDDEN = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  Object.defineProperty(document, "visibilityState", { value: hidden ? "hidden" : "visible", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
WATCHED_S = 3.0


@asynccontextmanager
async def busy(deployment: Deployment) -> AsyncIterator[None]:
    """Write a bit of everything, ten times a second."""
    writing = asyncio.create_task(deployment.busy())
    try:
        yield
    finally:
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing


async def worked_s(session: CDPSession) -> float:
    """Return how long the page's main thread has worked so far."""
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


async def cost(session: CDPSession) -> float:
    before = await worked_s(session)
    await asyncio.sleep(WATCHED_S)  # a length of time is what is measured
    return await worked_s(session) - before


async def changes(page: Page, selector: str) -> None:
    """Wait until what stands at ``selector`` has changed."""
    before = await page.locator(selector).inner_text()
    await page.wait_for_function(
        "([selector, before]) => document.querySelector(selector).innerText !== before",
        arg=[selector, before],
    )


async def test_nothing_jumps_while_values_stream_in(own_dashboard: Dashboard, deployment: Deployment) -> None:
    page = own_dashboard.page
    await own_dashboard.choose("kraken", "BTC/USDC")
    await page.mouse.move(0, 0)
    await page.wait_for_function("document.querySelector('#chart .chart').dataset.candles >= 60")
    await page.evaluate(WATCH_LAYOUT)
    async with busy(deployment):
        for selector in (
            "#tape .rows",
            "#orders .rows",
            "#positions .total",
            "#balances .total",
            "#bots .rows",
        ):
            await changes(page, selector)
    assert await page.evaluate("jumped") == []
    assert await page.evaluate("score") < 0.01  # a page counts as calm below 0.1


async def test_in_the_background_it_ends_its_subscriptions_and_costs_next_to_nothing(
    own_dashboard: Dashboard, deployment: Deployment
) -> None:
    page, (socket,) = own_dashboard.page, own_dashboard.sockets
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    received: list[float] = []
    ended: list[str] = []
    socket.on("framereceived", lambda frame: received.append(time.monotonic()))
    socket.on("framesent", lambda frame: ended.extend(["sub"] * ('"unsubscribe"' in str(frame))))

    async def silent() -> bool:
        return bool(ended) and time.monotonic() - received[-1] > 1

    async with busy(deployment):
        await changes(page, "#markets .rows")
        seen = await cost(session)
        await page.evaluate(SET_HIDDEN, arg=True)
        await own_dashboard.until(silent)
        heard = len(received)
        unseen = await cost(session)
        assert unseen < 0.02 * WATCHED_S, f"{unseen:.3f} s of {WATCHED_S} s; {seen:.3f} s while seen"
        assert len(received) <= heard + 1  # a sign of life
        await page.evaluate(SET_HIDDEN, arg=False)
        await changes(page, "#markets .rows")
    deployment.tick("kraken", "SOL/USDC", 177.0)
    await expect(own_dashboard.cell("tickers", "kraken:SOL/USDC", "price")).to_have_text("177.00")
