"""``make screenshots``: pictures of the dashboard over the demo market, in both themes, for the README."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import django
from PIL import Image
from playwright.async_api import Browser, async_playwright, expect

from cache_streams.server.children import dying_with_parent
from tests.browser.dashboard import Dashboard
from tests.chromium import NO_CHROMIUM, chromium_path
from tests.live import ADMIN_MAIL, BASE, LiveServer, live_server

PICTURES = BASE / "docs" / "images"
# Until then the lines of prices have grown, and the agent has worked.
GROWING_S = 45
COLOURS = 128  # a picture of a page has few: a third of the bytes, and no eye sees it


@dataclass(frozen=True)
class Picture:
    """One picture: its name, and the screen that it shows."""

    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"]


TAKEN = (
    Picture("dashboard-light", 1920, 1080, "light"),
    Picture("dashboard-dark", 1920, 1080, "dark"),
    Picture("dashboard-phone", 390, 844, "dark"),
)


@contextmanager
def demo(server: LiveServer) -> Iterator[None]:
    """Let the demo market write to a gateway's Redis."""
    command = (
        sys.executable,
        str(BASE / "manage.py"),
        "demo_feed",
        "--i-own-this-redis",
        "--symbols=10",
        "--agent-of",
        ADMIN_MAIL,
    )
    feed = subprocess.Popen(
        dying_with_parent(*command), env=server.environment, cwd=BASE, stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        feed.terminate()
        feed.wait()


async def open_page(browser: Browser, url: str, picture: Picture) -> Dashboard:
    size = {"width": picture.width, "height": picture.height}
    context = await browser.new_context(viewport=size, color_scheme=picture.scheme)  # type: ignore[arg-type]  # a plain dict is taken as well
    opened = Dashboard(await context.new_page(), url)
    await opened.log_in()
    await opened.choose("kraken", "BTC/USDC")
    await opened.page.mouse.move(0, 0)
    await opened.page.evaluate("scrollTo(0, 0)")
    return opened


async def take(url: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path())
        pages = {picture: await open_page(browser, url, picture) for picture in TAKEN}
        print(f"Pages are open; waiting {GROWING_S} s until something has happened on them.")
        await asyncio.sleep(GROWING_S)
        for picture, opened in pages.items():
            await expect(opened.page.locator("#connection [data-field=state]")).to_have_text("Live")
            save(picture, await opened.page.screenshot())
        await browser.close()


def save(picture: Picture, png: bytes) -> None:
    path = PICTURES / f"{picture.name}.png"
    shown = Image.open(io.BytesIO(png)).convert("RGB")
    shown.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(BASE)}: {path.stat().st_size // 1024} KB")


def main() -> None:
    """Take all pictures; about a minute."""
    if chromium_path() is None:
        sys.exit(f"No pictures: {NO_CHROMIUM}")
    django.setup()
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gw-pictures-") as directory:
        print("Gateway: starting one with a Redis and a database of its own.")
        with live_server(Path(directory)) as server, demo(server):
            asyncio.run(take(server.url))


if __name__ == "__main__":
    main()
