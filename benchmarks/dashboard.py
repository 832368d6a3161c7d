"""How many animation frames the dashboard drops while 500 markets change 20 times a second each, beside the same page at rest."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import redis
from playwright.async_api import Playwright, async_playwright, expect

from benchmarks import cache
from benchmarks.chromium import lonely_chromium
from benchmarks.gateway import Gateway
from benchmarks.report import Findings
from benchmarks.scripted_market import ScriptedMarket, scripted_market
from cache_streams.demo import writes
from tests.browser.dashboard import Dashboard
from tests.chromium import NO_CHROMIUM, chromium_path

SYMBOLS = 500
ROUNDS_PER_S = 20
MORE_DROPPED_POINTS = 5.0
_TRIALS, _QUICK_TRIALS = 7, 1
_TRIAL_S, _QUICK_TRIAL_S = 4.0, 1.0
# The page is the gateway's; its socket leads to the script, which the page's own policy would refuse.
_LEAD_AWAY = """(url) => {
  const Own = WebSocket;
  globalThis.WebSocket = class extends Own {
    constructor(asked, protocols) {
      super(url + new URL(asked).pathname + new URL(asked).search, protocols);
    }
  };
}"""
_NOTE_FRAMES = """() => {
  globalThis.frames_ = [];
  const step = (now) => {
    frames_.push(performance.timeOrigin + now);
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}"""
_FRAME_MS = 1000 / 60
_SETTLED_S = 1.0
_Phase: TypeAlias = tuple[float, float]  # Unix milliseconds


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Look at the page at rest and at work, in turns, so that what slows the machine slows both."""
    if chromium_path() is None:
        return Findings(notes=[f"left out: {NO_CHROMIUM}"])
    _fill(gateway)
    trials, seconds = (_QUICK_TRIALS, _QUICK_TRIAL_S) if quick else (_TRIALS, _TRIAL_S)
    rests: list[_Phase] = []
    works: list[_Phase] = []
    sent = 0
    gateway_ws = gateway.url.replace("http", "ws", 1)
    with lonely_chromium() as endpoint:
        async with async_playwright() as playwright, scripted_market(gateway_ws) as market:
            await _open(playwright, endpoint, gateway, market)
            for _ in range(trials):
                async with _phase(rests):
                    await asyncio.sleep(seconds)
                async with _phase(works):
                    sent += await market.play(ROUNDS_PER_S, seconds)
                await asyncio.sleep(_SETTLED_S)
            frames = await _read(playwright, endpoint)
    found = _findings(
        [_dropped(frames, phase) for phase in rests], [_dropped(frames, phase) for phase in works]
    )
    found.notes.append(f"{sent / (trials * seconds):,.0f} updates/s were sent, of {market.symbols} markets")
    return found


def _findings(resting: list[float], working: list[float]) -> Findings:
    found = Findings()
    for state, shares in (("at rest", resting), ("at work", working)):
        told = {"median": statistics.median(shares), "least": min(shares), "most": max(shares)}
        found.rows.append(
            {"page": state, **{f"dropped % {name}": round(each, 1) for name, each in told.items()}}
        )
    # Of each trial the difference, then the middle one: neighbours on the machine come and go.
    more = statistics.median(after - before for before, after in zip(resting, working, strict=True))
    found.judge(
        f"{SYMBOLS} markets x {ROUNDS_PER_S}/s: at most {MORE_DROPPED_POINTS:g} points more dropped frames than at rest",
        f"{more + 0.0:.1f} points",
        passed=more <= MORE_DROPPED_POINTS,
    )
    return found


@asynccontextmanager
async def _phase(phases: list[_Phase]) -> AsyncIterator[None]:
    began = time.time()
    yield
    phases.append((began * 1000, time.time() * 1000))


def _dropped(frames: list[float], phase: _Phase) -> float:
    """Return which share of the frames that were due within a phase was not drawn, in percent."""
    drawn = sum(phase[0] <= frame < phase[1] for frame in frames)
    return max(0.0, 100 * (1 - drawn / ((phase[1] - phase[0]) / _FRAME_MS)))


async def _open(playwright: Playwright, endpoint: str, gateway: Gateway, market: ScriptedMarket) -> None:
    """Open the dashboard, log in, let it have every market, lead its socket through the script, and leave it alone."""
    browser = await playwright.chromium.connect_over_cdp(endpoint)
    page = browser.contexts[0].pages[0]
    session = await page.context.new_cdp_session(page)
    await session.send("Page.setBypassCSP", {"enabled": True})
    await page.add_init_script(f"({_LEAD_AWAY})({json.dumps(market.url)})")
    opened = Dashboard(page, gateway.url)
    await opened.log_in()
    await expect(page.locator("#markets .summary")).to_have_text(str(SYMBOLS))
    await page.evaluate(_NOTE_FRAMES)
    await browser.close()  # it goes on without a debugger


async def _read(playwright: Playwright, endpoint: str) -> list[float]:
    browser = await playwright.chromium.connect_over_cdp(endpoint)
    frames: list[float] = await browser.contexts[0].pages[0].evaluate("frames_")
    return frames


def _fill(gateway: Gateway) -> None:
    with redis.Redis.from_url(gateway.redis_url) as client:
        for number in range(SYMBOLS):
            symbol = cache.market(number)
            cache.send(client, writes.tick(cache.EXCHANGE, symbol, cache.tick(symbol, 100.0, time.time())))
