"""The operators' live page in a real browser: new by itself, readable on a phone and in the dark, without a complaint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, expect
from websockets.asyncio.client import connect

from tests.browser.dashboard import DEADLINE_MS
from tests.integration.wire.rpc_client import token_of
from tests.live import ADMIN_MAIL, PASSWORD, LiveServer

PATH = "/api/v1/cache/ws/tickers/seen-by-an-operator"


@asynccontextmanager
async def site(
    browser: Browser, server: LiveServer, *, width: int = 1280, scheme: Literal["light", "dark"] = "light"
) -> AsyncIterator[Page]:
    """Yield the admin site of an administrator who has logged in; in the end nothing may have complained."""
    context = await browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = await context.new_page()
    page.set_default_timeout(DEADLINE_MS)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{server.url}/admin/")
    await page.locator("#id_username").fill(ADMIN_MAIL)
    await page.locator("#id_password").fill(PASSWORD)
    await page.locator("#id_password").press("Enter")
    await page.wait_for_url(f"{server.url}/admin/")
    try:
        yield page
    finally:
        await context.close()
    assert complaints == []


async def test_a_socket_appears_and_goes_without_a_reload(browser: Browser, gateway: LiveServer) -> None:
    async with site(browser, gateway) as page:
        await page.goto(f"{gateway.url}/admin/live/?q=seen-by-an-operator")
        await page.evaluate("window.same = true")
        async with connect(f"{gateway.ws_url}{PATH}?token={token_of(gateway)}", compression=None) as socket:
            assert socket.response is not None
            row = page.get_by_text(socket.response.headers["X-Connection-ID"])
            await expect(row).to_be_visible(timeout=DEADLINE_MS)
        await expect(row).to_have_count(0, timeout=DEADLINE_MS)
        assert await page.evaluate("window.same") is True


async def test_a_socket_is_closed_by_two_clicks_and_its_end_is_found(
    browser: Browser, gateway: LiveServer
) -> None:
    async with (
        site(browser, gateway) as page,
        connect(f"{gateway.ws_url}{PATH}?token={token_of(gateway)}", compression=None) as socket,
    ):
        assert socket.response is not None
        socket_id = socket.response.headers["X-Connection-ID"]
        await page.goto(f"{gateway.url}/admin/live/?q={socket_id}")
        await page.get_by_text(socket_id).click()
        await page.get_by_role("button", name="Close this socket").click()
        await expect(page.get_by_text("Closed 1 sockets")).to_be_visible()
        await socket.wait_closed()
        assert socket.close_code == 1013
        ended = page.locator("code", has_text=socket_id)
        await page.goto(f"{gateway.url}/admin/live/endings/?by=gateway")
        await expect(ended).to_be_visible()
        await ended.click()
        await expect(page.get_by_text("closed it")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", "endings/"])
async def test_a_phone_shows_it_in_both_themes_without_scrolling_sideways(
    browser: Browser, gateway: LiveServer, scheme: Literal["light", "dark"], path: str
) -> None:
    async with site(browser, gateway, width=390, scheme=scheme) as page:
        await page.goto(f"{gateway.url}/admin/live/{path}")
        await expect(page.locator(".gw table").first).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        text, ground = await page.evaluate(
            """() => {
                const lightness = (color) => {
                    const canvas = document.createElement('canvas').getContext('2d');
                    canvas.fillStyle = color;
                    canvas.fillRect(0, 0, 1, 1);
                    const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
                    return (red + green + blue) / 765;
                };
                const cell = document.querySelector('.gw th');
                return [getComputedStyle(cell).color, getComputedStyle(cell).backgroundColor].map(lightness);
            }"""
        )
        assert (text > ground + 0.4) if scheme == "dark" else (ground > text + 0.4)
