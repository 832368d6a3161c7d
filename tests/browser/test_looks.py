"""How the page stands on screens of every size, in both themes."""

import json

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenDashboard
from tests.browser.dashboard import Dashboard
from tests.browser.market import Deployment
from tests.live import BASE

AXE = (BASE / "frontend" / "node_modules" / "axe-core" / "axe.min.js").read_text()
SERIOUS = {"serious", "critical"}
THEMES = ("light", "dark")
FIND_FAULTS = """async () => (await axe.run(document)).violations.map(
  ({ id, impact, nodes }) => ({ id, impact, nodes: nodes.slice(0, 5).map((node) => node.html + node.failureSummary) })
)"""


async def faults(page: Page) -> list[object]:
    await page.evaluate(AXE)
    found = json.loads(await page.evaluate(f"async () => JSON.stringify(await ({FIND_FAULTS})())"))
    return [each for each in found if each["impact"] in SERIOUS]


async def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(await page.evaluate(wide))


@pytest.mark.parametrize("scheme", THEMES)
@pytest.mark.parametrize("width", [390, 1280])
async def test_axe_finds_no_serious_fault(open_dashboard: OpenDashboard, scheme: str, width: int) -> None:
    opened = await open_dashboard(width=width, scheme=scheme)
    await opened.open()
    await expect(opened.page.get_by_label("Email")).to_be_visible()
    assert await faults(opened.page) == []
    await opened.log_in()
    await expect(opened.page.locator("[data-stream=orders]").first).to_be_visible()
    assert await faults(opened.page) == []


async def test_a_chart_without_candles_has_a_name_as_well(
    own_dashboard: Dashboard, deployment: Deployment
) -> None:
    deployment.tick("kraken", "BARE/USDC", 1.0)
    await own_dashboard.choose("kraken", "BARE/USDC")
    chart = own_dashboard.page.locator("#chart .chart")
    await expect(chart).to_have_attribute("data-candles", "0")
    await expect(chart).to_have_attribute("aria-label", "Candles of kraken:BARE/USDC, 1m, none yet")
    assert await faults(own_dashboard.page) == []


@pytest.mark.parametrize("width", [320, 390, 800])
async def test_a_narrow_window_scrolls_down_and_never_sideways(
    open_dashboard: OpenDashboard, width: int
) -> None:
    opened = await open_dashboard(width=width, height=844)
    await opened.open()
    await expect(opened.page.get_by_label("Email")).to_be_visible()
    assert await overflow(opened.page) == 0
    await opened.log_in()
    for panel in await opened.page.locator(".panel").all():
        await panel.scroll_into_view_if_needed()
        box = await panel.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    assert await overflow(opened.page) == 0


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160)])
async def test_a_large_screen_shows_every_panel_at_once(
    open_dashboard: OpenDashboard, width: int, height: int
) -> None:
    opened = await open_dashboard(width=width, height=height)
    await opened.log_in()
    for panel in await opened.page.locator(".panel").all():
        await expect(panel).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("scheme", THEMES)
async def test_the_theme_is_that_of_the_machine_until_one_is_chosen(
    open_dashboard: OpenDashboard, scheme: str
) -> None:
    other = "dark" if scheme == "light" else "light"
    opened = await open_dashboard(scheme=scheme)
    await opened.log_in()
    root = opened.page.locator("html")
    await expect(root).to_have_attribute("data-theme", scheme)
    while await root.get_attribute("data-theme") == scheme:
        await opened.page.get_by_role("button", name="Theme").click()
    await opened.page.reload()
    await opened.is_live()
    await expect(root).to_have_attribute("data-theme", other)
