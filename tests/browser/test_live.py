"""What is written to the cache appears on the page by itself."""

import re
import time

from playwright.async_api import expect

from tests.browser.dashboard import MINUS, Dashboard
from tests.browser.market import Deployment

# Pixels of the chart's canvases in the colour of rising and of falling candles.
CANDLE_PIXELS = """() => {
  const wanted = ["up", "down"].map((name) => {
    const probe = document.createElement("canvas").getContext("2d");
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data].join();
  });
  let found = 0;
  for (const canvas of document.querySelectorAll("#chart canvas")) {
    if (!canvas.width || !canvas.height) continue;
    // From a copy: Chromium complains of a canvas that is drawn by the GPU and read again and again.
    const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const drawn = copy.getContext("2d", { willReadFrequently: true });
    drawn.drawImage(canvas, 0, 0);
    const { data } = drawn.getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < data.length; at += 4) {
      if (wanted.includes([...data.subarray(at, at + 4)].join())) found += 1;
    }
  }
  return found;
}"""


async def test_a_price_changes_by_itself_and_flashes(dashboard: Dashboard, deployment: Deployment) -> None:
    price = dashboard.cell("tickers", "kraken:SOL/USDC", "price")
    deployment.tick("kraken", "SOL/USDC", 151.25)
    await expect(price).to_have_text("151.25")
    await expect(price).not_to_have_attribute("data-move", re.compile("."))  # it is over
    await dashboard.page.evaluate(
        """(cell) => {
          globalThis.moves = [];
          new MutationObserver(() => moves.push(cell.dataset.move)).observe(cell, { attributeFilter: ["data-move"] });
        }""",
        await price.element_handle(),
    )
    deployment.tick("kraken", "SOL/USDC", 152.5)
    await expect(price).to_have_text("152.50")
    deployment.tick("kraken", "SOL/USDC", 150.0)
    await expect(price).to_have_text("150.00")
    moves = await dashboard.page.evaluate("moves")
    assert [each for each in moves if each][:2] == ["up", "down"]


async def test_an_old_price_is_marked_as_stale_and_a_new_one_is_not(
    dashboard: Dashboard, deployment: Deployment
) -> None:
    deployment.tick("kraken", "XRP/USDC", 0.6, age_s=600)
    row = dashboard.row("tickers", "kraken:XRP/USDC")
    await expect(row).to_have_attribute("data-stale", "true")
    await expect(row.locator("[data-field=age]")).to_have_text("stale 10 m")
    deployment.tick("kraken", "XRP/USDC", 0.61)
    await expect(row).not_to_have_attribute("data-stale", "true")
    await expect(row.locator("[data-field=age]")).to_have_text("0 s")


async def test_a_market_that_is_new_gets_a_row(dashboard: Dashboard, deployment: Deployment) -> None:
    symbol = f"NEW{time.time_ns()}/USDC"
    deployment.tick("kraken", symbol, 3.5)
    await expect(dashboard.cell("tickers", f"kraken:{symbol}", "price")).to_have_text("3.5000")


async def test_the_chart_draws_candles(dashboard: Dashboard) -> None:
    await dashboard.choose("kraken", "BTC/USDC")
    # Those of the cache, and perhaps one that has opened since.
    await expect(dashboard.page.locator("#chart .chart")).to_have_attribute(
        "data-candles", re.compile("6[0-9]")
    )
    await dashboard.page.wait_for_function(f"({CANDLE_PIXELS})() > 1000")


async def test_a_trade_moves_the_last_candle_and_stands_on_the_tape(
    dashboard: Dashboard, deployment: Deployment
) -> None:
    await dashboard.choose("kraken", "ETH/USDC")
    chart = dashboard.page.locator("#chart .chart")
    deployment.trade("kraken", "ETH/USDC", 3100.25, volume=0.75)
    await expect(chart).to_have_attribute("data-close", "3100.25")
    await expect(dashboard.page.locator("#tape .rows > .row").first).to_contain_text("3,100.25")
    deployment.trade("kraken", "ETH/USDC", 3333.75)
    await expect(chart).to_have_attribute("data-close", "3333.75")
    assert (await dashboard.column("tape", "price"))[:2] == ["3,333.75", "3,100.25"]


async def test_an_order_appears_goes_on_and_leaves(dashboard: Dashboard, deployment: Deployment) -> None:
    order = dashboard.page.locator('[data-stream=orders][data-id$=":made-here"]')
    deployment.order("kraken", "made-here", "open")
    await expect(order.locator("[data-field=status]")).to_have_text("open")
    await expect(order.locator("[data-field=filled]")).to_have_text("0 %")
    deployment.order("kraken", "made-here", "partially_filled", final_volume=1.0)
    await expect(order.locator("[data-field=filled]")).to_have_text("50 %")
    deployment.forget("kraken", "made-here")
    await expect(order).to_have_count(0)


async def test_balances_are_summed_up_at_the_newest_prices(
    dashboard: Dashboard, deployment: Deployment
) -> None:
    deployment.tick("kraken", "ADA/USDC", 0.5)
    deployment.tick("binance", "ADA/USDC", 0.5)
    deployment.account("7", {"USDC": 1000.0, "ADA": 2000.0}, {})
    ada = dashboard.page.locator('[data-stream=accounts][data-id="7:ADA"] [data-field=worth]')
    await expect(ada).to_have_text("1,000.00")
    deployment.tick("kraken", "ADA/USDC", 0.55)
    await expect(ada).to_have_text("1,100.00")
    await dashboard.sums_up("balances", "worth", "value")
    deployment.forget_account("7")
    await expect(ada).to_have_count(0)
    await dashboard.sums_up("balances", "worth", "value")


async def test_positions_are_summed_up_at_the_newest_prices(
    dashboard: Dashboard, deployment: Deployment
) -> None:
    deployment.account("8", {"USDC": 1000.0}, {"GOLD/USDC": (2.0, 2000.0)})
    deployment.tick("kraken", "GOLD/USDC", 2100.0)
    gain = dashboard.page.locator('[data-stream=positions][data-key="8"] [data-field=gain]')
    await expect(gain).to_have_text("+200.00")
    deployment.tick("kraken", "GOLD/USDC", 1900.0)
    await expect(gain).to_have_text(f"{MINUS}200.00")
    await dashboard.sums_up("positions", "gain", "gain")
    await dashboard.sums_up("positions", "cost", "cost")
    deployment.forget_account("8")
    await expect(gain).to_have_count(0)
    await dashboard.sums_up("positions", "gain", "gain")


async def test_a_bot_says_what_it_blocks(dashboard: Dashboard, deployment: Deployment) -> None:
    blocks = dashboard.cell("bots", "1", "blocks")
    deployment.block("kraken", "GOLD", "1")
    await expect(blocks).to_contain_text("kraken GOLD")
    deployment.unblock("kraken", "GOLD")
    await expect(blocks).not_to_contain_text("kraken GOLD")


async def test_processes_tell_the_age_of_their_heartbeat_and_a_stale_one_is_marked(
    dashboard: Dashboard, deployment: Deployment
) -> None:
    rows = dashboard.page.locator("#process [data-stream=process]")
    await expect(rows).to_have_count(8)
    old = dashboard.page.locator('#process [data-id="bot:old"]')
    deployment.beat("bot:old", age_s=3600)
    await expect(old).to_have_attribute("data-stale", "true")
    await expect(old.locator("[data-field=heartbeat]")).to_have_text("stale 1 h")
    deployment.beat("bot:old", age_s=0)
    await expect(old).not_to_have_attribute("data-stale", "true")
    deployment.end("bot:old")
    await expect(rows).to_have_count(8)


async def test_the_connection_tells_latency_rate_and_what_was_skipped(
    dashboard: Dashboard, deployment: Deployment
) -> None:
    told = dashboard.page.locator("#connection")
    await expect(told.locator("[data-field=latency]")).to_contain_text("ms")
    await expect(told.locator("[data-field=latency]")).to_have_text(re.compile(r"^\d"))
    for price in range(100):
        deployment.tick("binance", "BTC/USDC", 64_000.0 + price)
    await expect(told.locator("[data-field=skipped]")).not_to_have_text("0")


async def test_every_row_names_its_stream_and_key_and_every_cell_its_field(
    dashboard: Dashboard, deployment: Deployment
) -> None:
    await dashboard.choose("kraken", "BTC/USDC")
    deployment.trade("kraken", "BTC/USDC", 64_000.0)
    for stream in ("accounts", "bots", "orders", "positions", "process", "tickers", "trades"):
        await expect(
            dashboard.page.locator(f"[data-stream={stream}][data-key]:visible").first
        ).to_be_visible()
    unnamed = await dashboard.page.evaluate(
        """() => [...document.querySelectorAll("#panels .rows > .row:not([hidden])")].filter((row) =>
          !row.dataset.stream || !row.dataset.key || [...row.children].some((cell) => !cell.dataset.field)).length"""
    )
    assert unnamed == 0


async def test_candles_are_offered_in_the_lengths_that_somebody_makes(dashboard: Dashboard) -> None:
    offered = dashboard.page.locator("#chart .tools button:visible")
    await expect(offered).to_have_text(["1m", "5m", "1h"])
