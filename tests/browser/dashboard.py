"""The dashboard as a test sees it: one page of a browser, what stands on it, and what it complained about."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from playwright.async_api import ConsoleMessage, Locator, Page, WebSocket, expect

from tests.live import ADMIN_MAIL, PASSWORD

# A loaded machine paints late; each condition is waited for, and none is slept for.
DEADLINE_MS = 20_000
MINUS = "\N{MINUS SIGN}"
expect.set_options(timeout=DEADLINE_MS)


def number(text: str) -> float:
    """Return a number as the page writes it: grouped, with a typographic minus, perhaps with a unit."""
    return float(re.sub(r"[^\d.-]", "", text.replace(MINUS, "-")) or 0)


@dataclass
class Dashboard:
    """``complaints`` are errors and warnings of the console, ``urls`` everything that the page opened."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    sockets: list[WebSocket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(DEADLINE_MS)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.urls.append(request.url))
        self.page.on("websocket", self._socket)

    async def open(self) -> None:
        await self.page.goto(self.url)

    async def log_in(self, mail: str = ADMIN_MAIL, password: str = PASSWORD) -> None:
        """Open the page, log in, and wait until every panel has something to show."""
        await self.open()
        await self.submit(mail, password)
        await self.is_live()

    async def submit(self, mail: str, password: str) -> None:
        await self.page.get_by_label("Email").fill(mail)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Log in").click()

    async def is_live(self) -> None:
        await expect(self.page.locator("#connection [data-field=state]")).to_have_text("Live")
        await expect(self.page.locator("#markets [data-stream=tickers]").first).to_be_visible()

    async def choose(self, exchange: str, symbol: str) -> None:
        await self.row("tickers", f"{exchange}:{symbol}").click()
        await expect(self.page.locator("#chart .summary")).to_have_text(f"{symbol} · {exchange}")

    def row(self, stream: str, key: str) -> Locator:
        return self.page.locator(f'[data-stream="{stream}"][data-key="{key}"]')

    def cell(self, stream: str, key: str, name: str) -> Locator:
        return self.row(stream, key).locator(f'[data-field="{name}"]')

    async def column(self, panel: str, name: str) -> list[str]:
        """Return a column of a panel's table from top to bottom, as people see it."""
        cells = self.page.locator(f'#{panel} .rows > .row:not([hidden]) [data-field="{name}"]')
        return await cells.all_inner_texts()

    async def sums_up(self, panel: str, column: str, total: str) -> None:
        """Wait until a panel's total is the sum of a column of it."""
        shown = self.page.locator(f"#{panel} [data-total={total}]")

        async def agree() -> bool:
            each = [number(text) for text in await self.column(panel, column)]
            # Each line is rounded to a hundredth, and the total once.
            return abs(sum(each) - number(await shown.inner_text())) <= 0.005 * (len(each) + 1)

        await self.until(agree)

    async def is_sorted(self, panel: str, column: str, *, descending: bool) -> None:
        """Wait until a column of numbers stands in order."""

        async def ordered() -> bool:
            found = [number(text) for text in await self.column(panel, column)]
            return found == sorted(found, reverse=descending)

        await self.until(ordered)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a condition that is none of the page alone."""
        deadline = time.monotonic() + DEADLINE_MS / 1000
        while not await condition():
            assert time.monotonic() < deadline, await self.page.locator("#panels").inner_text()
            await asyncio.sleep(0.05)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _socket(self, socket: WebSocket) -> None:
        self.urls.append(socket.url)
        self.sockets.append(socket)
