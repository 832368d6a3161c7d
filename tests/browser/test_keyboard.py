"""The page without a mouse."""

import re

from playwright.async_api import expect

from tests.browser.conftest import OpenDashboard
from tests.browser.dashboard import Dashboard
from tests.live import ADMIN_MAIL, PASSWORD

FOCUSED = "document.activeElement"
# What shows people where they are: an outline, of which the browser's default counts as well.
IS_MARKED = f"getComputedStyle({FOCUSED}).outlineStyle !== 'none'"


async def test_people_log_in_without_a_mouse(open_dashboard: OpenDashboard) -> None:
    opened = await open_dashboard()
    await opened.open()
    await expect(opened.page.get_by_label("Email")).to_be_focused()
    await opened.page.keyboard.type(ADMIN_MAIL)
    await opened.page.keyboard.press("Tab")
    await opened.page.keyboard.type(PASSWORD)
    await opened.page.keyboard.press("Enter")
    await opened.is_live()


async def test_the_first_stop_skips_to_the_panels(own_dashboard: Dashboard) -> None:
    page = own_dashboard.page
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the panels")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate(f"{FOCUSED}.closest('#panels') !== null")


async def test_every_stop_of_the_tab_key_is_marked_and_every_panel_is_reached(
    own_dashboard: Dashboard,
) -> None:
    page = own_dashboard.page
    reached: list[str] = []
    for _ in range(100):
        await page.keyboard.press("Tab")
        if await page.evaluate(f"{FOCUSED} === document.body"):
            break
        assert await page.evaluate(IS_MARKED), await page.evaluate(f"{FOCUSED}.outerHTML")
        reached.append(await page.evaluate(f"{FOCUSED}.closest('.panel')?.id ?? ''"))
    assert set(reached) >= {
        *("markets", "chart", "tape", "orders", "positions", "balances", "bots", "process"),
    }


async def test_arrow_keys_walk_through_the_markets_and_enter_chooses_one(own_dashboard: Dashboard) -> None:
    page = own_dashboard.page
    await own_dashboard.choose("kraken", "BTC/USDC")
    markets = await own_dashboard.column("markets", "symbol")
    exchanges = await own_dashboard.column("markets", "exchange")
    at = list(zip(exchanges, markets, strict=True)).index(("kraken", "BTC/USDC"))
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    chosen = page.locator("#markets [aria-selected=true]")
    await expect(chosen).to_have_attribute("data-key", f"{exchanges[at + 1]}:{markets[at + 1]}")
    await expect(page.locator("#chart .summary")).to_have_text(f"{markets[at + 1]} · {exchanges[at + 1]}")
    await page.keyboard.press("Home")
    await expect(page.locator("#markets .rows > .row").first).to_be_focused()


async def test_a_heading_sorts_by_enter_and_says_so(own_dashboard: Dashboard) -> None:
    heading = own_dashboard.page.locator("#markets [data-column=price]")
    await heading.get_by_role("button").focus()
    await own_dashboard.page.keyboard.press("Enter")
    await expect(heading).to_have_attribute("aria-sort", "descending")
    await own_dashboard.is_sorted("markets", "price", descending=True)
    await own_dashboard.page.keyboard.press("Enter")
    await expect(heading).to_have_attribute("aria-sort", "ascending")
    await own_dashboard.is_sorted("markets", "price", descending=False)


async def test_the_length_of_a_candle_is_chosen_without_a_mouse(own_dashboard: Dashboard) -> None:
    page = own_dashboard.page
    await page.get_by_role("button", name="5m", exact=True).focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="5m", exact=True)).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#chart .chart")).to_have_attribute("aria-label", re.compile(r", 5m, last \d"))
