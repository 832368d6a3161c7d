"""Results about bots."""

from __future__ import annotations

import json

import pytest

from cache_streams.protocol.rpc import bot_results as results
from cache_streams.protocol.rpc.queries import MarketQuery
from cache_streams.streams.bots import Bot, decode
from cache_streams.streams.declaration import Extras, Record

RUNNING = {"feed_1": {"status": "running", "symbols": ["BTC/USDC"]}}
HASHES = {
    "bot_status": {
        "7": json.dumps(RUNNING).encode(),
        "8": b'{"status":"idle","feed":{"status":"running"}}',
        "9": b"{}",
        "x": b"{broken",
    },
    "block_exchange": {"kraken:BTC/USDC": b"7", "kraken:ETH/USDC": b"30"},
    "opening_position": {"kraken:BTC/USDC": b"8:2026-01-15T10:30:00+00:00"},
}


def bots() -> dict[str, tuple[Bot, Extras]]:
    found = {}
    for key, record in decode(HASHES).items():
        assert isinstance(record, Record)
        assert isinstance(record.value, Bot)
        found[key[0]] = (record.value, record.extras or {})
    return found


@pytest.mark.parametrize(("bot", "status"), [("7", "running"), ("8", "idle"), ("9", "unknown")])
def test_a_bot_has_the_status_it_tells_or_that_of_its_first_feed(bot: str, status: str) -> None:
    shown = results.bot_result(*bots()[bot], 5.5)
    assert shown is not None
    assert shown == {
        "bot_id": bot,
        "status": status,
        "data": json.loads(HASHES["bot_status"][bot]),
        "timestamp": 5.5,
    }


def test_a_bot_that_stored_nothing_is_not_found() -> None:
    assert results.bot_result(*bots()["30"], 5.5) is None


def test_all_bots_are_shown_as_stored_and_a_broken_one_as_such() -> None:
    assert results.bots_result(bots().values()) == {
        "bots": {
            "7": RUNNING,
            "8": {"status": "idle", "feed": {"status": "running"}},
            "9": {},
            "x": {"error": "Invalid JSON"},
        }
    }


@pytest.mark.parametrize(("symbol", "holder"), [("BTC/USDC", "7"), ("ETH/USDC", "30"), ("XRP/USDC", None)])
def test_a_market_is_blocked_by_a_bot_or_free(symbol: str, holder: str | None) -> None:
    shown = results.blocked_result(MarketQuery("kraken", symbol), [bot for bot, _ in bots().values()], 5.5)
    assert shown == {
        "exchange": "kraken",
        "symbol": symbol,
        "is_blocked": holder is not None,
        "blocked_by": holder,
        "timestamp": 5.5,
    }


@pytest.mark.parametrize(("symbol", "holder"), [("BTC/USDC", "8"), ("ETH/USDC", None)])
def test_a_market_is_being_opened_by_a_bot_or_not(symbol: str, holder: str | None) -> None:
    shown = results.opening_result(MarketQuery("kraken", symbol), [bot for bot, _ in bots().values()])
    assert shown == {
        "exchange": "kraken",
        "symbol": symbol,
        "is_opening": holder is not None,
        "bot_id": holder,
    }


def test_blocks_are_a_list_of_market_and_bot() -> None:
    shown = results.blocks_result(bot for bot, _ in bots().values())
    assert sorted(shown["blocks"], key=lambda block: block["bot"]) == [
        {"ex_id": "kraken", "symbol": "ETH/USDC", "bot": "30"},
        {"ex_id": "kraken", "symbol": "BTC/USDC", "bot": "7"},
    ]
