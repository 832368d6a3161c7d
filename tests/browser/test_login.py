"""Who comes in, with what, and how a session ends."""

import httpx
from playwright.async_api import expect

from tests.browser.conftest import OpenDashboard
from tests.browser.dashboard import Dashboard
from tests.live import ADMIN_MAIL, PASSWORD, PLAIN_MAIL, LiveServer

STORED_REFRESH = "JSON.parse(sessionStorage.getItem('login')).refresh"


async def test_logging_in_shows_live_markets(open_dashboard: OpenDashboard) -> None:
    opened = await open_dashboard()
    await opened.open()
    await opened.submit(ADMIN_MAIL, PASSWORD)
    await expect(opened.cell("tickers", "kraken:BTC/USDC", "price")).not_to_be_empty()
    await expect(opened.page.get_by_text(ADMIN_MAIL)).to_be_visible()


async def test_a_wrong_password_is_said_and_can_be_mended(open_dashboard: OpenDashboard) -> None:
    opened = await open_dashboard()
    await opened.open()
    await opened.submit(ADMIN_MAIL, "wrong")
    await expect(opened.page.get_by_role("alert")).to_have_text("The email or the password is wrong.")
    await opened.submit(ADMIN_MAIL, PASSWORD)
    await opened.is_live()
    # The browser itself reports every refused request.
    assert opened.complaints.pop().startswith(
        "Failed to load resource: the server responded with a status of 401"
    )


async def test_no_token_stands_in_any_address(own_dashboard: Dashboard) -> None:
    sockets = [url for url in own_dashboard.urls if url.startswith("ws")]
    assert sockets
    assert all("?ticket=" in url for url in sockets)
    assert not any("eyJ" in url or "token=" in url for url in own_dashboard.urls)


async def test_a_reload_keeps_the_login(own_dashboard: Dashboard) -> None:
    await own_dashboard.page.reload()
    await own_dashboard.is_live()


async def test_logging_out_leaves_nothing_to_come_back_with(own_dashboard: Dashboard) -> None:
    await own_dashboard.page.get_by_role("button", name="Log out").click()
    await expect(own_dashboard.page.get_by_role("button", name="Log in")).to_be_visible()
    await expect(own_dashboard.page.get_by_role("alert")).to_have_text("You are logged out.")
    assert await own_dashboard.page.evaluate("sessionStorage.length") == 0
    await expect(own_dashboard.page.locator("[data-stream]")).to_have_count(0)


async def test_a_session_that_ended_elsewhere_leads_back_to_the_login_and_says_so(
    own_dashboard: Dashboard, gateway: LiveServer
) -> None:
    refresh = await own_dashboard.page.evaluate(STORED_REFRESH)
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{gateway.url}/api/v1/auth/logout/", json={"refresh": refresh})
    assert answer.is_success
    await expect(own_dashboard.page.get_by_role("alert")).to_contain_text("Please log in again.")
    await expect(own_dashboard.page.locator("[data-stream]")).to_have_count(0)
    await own_dashboard.submit(ADMIN_MAIL, PASSWORD)
    await own_dashboard.is_live()
    own_dashboard.complaints.clear()  # the browser itself reports every refused request


async def test_nobody_but_staff_is_led_to_the_admin_site(
    open_dashboard: OpenDashboard, own_dashboard: Dashboard
) -> None:
    await expect(own_dashboard.page.get_by_role("link", name="Admin")).to_be_visible()
    theirs = await open_dashboard()
    await theirs.log_in(PLAIN_MAIL)
    await expect(theirs.page.get_by_role("link", name="Admin")).to_be_hidden()


async def test_who_owns_nothing_sees_markets_and_none_of_what_others_own(
    open_dashboard: OpenDashboard,
) -> None:
    theirs = await open_dashboard()
    await theirs.log_in(PLAIN_MAIL)
    for said in (
        "No orders of yours.",
        "No position of yours is open.",
        "No account of yours has a balance.",
    ):
        await expect(theirs.page.get_by_text(said)).to_be_visible()
    for stream in ("orders", "positions", "accounts", "bots", "process"):
        await expect(theirs.page.locator(f'[data-stream="{stream}"]')).to_have_count(0)
