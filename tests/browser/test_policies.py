"""Every page under its content security policy, in a real browser: it shows what it should, and nothing complains."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.dashboard import DEADLINE_MS, Dashboard
from tests.live import ADMIN_MAIL, PASSWORD, LiveServer, live_server


@asynccontextmanager
async def tab(browser: Browser) -> AsyncIterator[tuple[Page, list[str]]]:
    """Yield a page of an empty browser, and what it complains about."""
    context = await browser.new_context()
    page = await context.new_page()
    page.set_default_timeout(DEADLINE_MS)
    complaints: list[str] = []
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "response",
        lambda told: complaints.append(f"{told.status} {told.url}") if told.status >= 400 else None,
    )
    page.on("requestfailed", lambda failed: complaints.append(f"{failed.url}: {failed.failure}"))
    try:
        yield page, complaints
    finally:
        await context.close()


def foreign(server: LiveServer) -> Callable[[str], bool]:
    return lambda url: not url.startswith((server.url, server.ws_url, "data:", "blob:"))


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/docs", "#operations-tag-auth"),
        (
            "/redoc",
            "img[alt='redocly logo']",
        ),  # the last that it draws; without an address, so that only its text is there
        ("/admin/login/", "#id_username"),
        ("/api/v1/asyncapi", "h1"),
    ],
)
async def test_a_page_works_under_its_policy(
    browser: Browser, gateway: LiveServer, path: str, shown: str
) -> None:
    async with tab(browser) as (page, complaints):
        urls: list[str] = []
        page.on("request", lambda request: urls.append(request.url))
        answered = await page.goto(f"{gateway.url}{path}")
        assert answered is not None
        assert "default-src 'none'" in answered.headers["content-security-policy"]
        await expect(page.locator(shown).first).to_be_visible()
        assert complaints == []
        assert [url for url in urls if foreign(gateway)(url)] == []


async def test_the_admin_site_takes_its_secure_cookies_over_loopback(
    browser: Browser, gateway: LiveServer
) -> None:
    async with tab(browser) as (page, complaints):
        await page.goto(f"{gateway.url}/admin/")
        await page.locator("#id_username").fill(ADMIN_MAIL)
        await page.locator("#id_password").fill(PASSWORD)
        await page.locator("#id_password").press("Enter")
        await expect(page.locator("a[href='/admin/accounts/user/']").first).to_be_visible()
        cookies = await page.context.cookies()
        assert {cookie["name"] for cookie in cookies} >= {"sessionid", "csrftoken"}
        assert all(cookie["secure"] for cookie in cookies)
        for path in ("accounts/user/", "accounts/user/1/change/", "accounts/apikey/add/", "password_change/"):
            await page.goto(f"{gateway.url}/admin/{path}")
            await expect(page.locator("#content, main").first).to_be_visible()
        assert complaints == []


async def test_the_dashboard_works_below_a_path(browser: Browser, tmp_path: Path) -> None:
    with live_server(tmp_path, ROOT_PATH="/desk") as server:
        async with tab(browser) as (page, complaints):
            opened = Dashboard(page, f"{server.url}/desk/")
            await opened.open()
            await opened.submit(ADMIN_MAIL, PASSWORD)
            await expect(page.locator("#connection [data-field=state]")).to_have_text("Live")
            await expect(page.locator("#admin")).to_have_attribute("href", "/desk/admin/")
            assert complaints == opened.complaints == []
            foreign = [
                url
                for url in opened.urls
                if not url.startswith((f"{server.url}/desk/", f"{server.ws_url}/desk/"))
            ]
            assert foreign == []


async def test_a_script_that_got_into_a_page_is_not_run(browser: Browser, gateway: LiveServer) -> None:
    async with tab(browser) as (page, complaints):
        await page.goto(f"{gateway.url}/docs")
        await page.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = 'window.owned = 1';"
            " document.body.append(s); }"
        )
        assert await page.evaluate("() => window.owned") is None
        assert any("Content Security Policy" in each for each in complaints)
