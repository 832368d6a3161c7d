"""Patterns of Redis keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.streams import REGISTRY, patterns
from cache_streams.streams.declaration import Bars, Beacons, HashFields, ListTail

spreading = st.text(min_size=1)
plain = st.text(min_size=1).filter(lambda name: ":" not in name)


def declared() -> list[str]:
    found: list[str] = []
    for stream in REGISTRY:
        layout = stream.layout
        if isinstance(layout, HashFields | ListTail | Bars | Beacons):
            found.append(layout.pattern)
        if isinstance(layout, Beacons):
            found.append(layout.seen)
        if isinstance(layout, HashFields) and layout.hints:
            found.append(layout.hints)
    return found


@pytest.mark.parametrize("pattern", declared())
@given(data=st.data())
def test_a_filled_pattern_matches_back_to_its_names(pattern: str, data: st.DataObject) -> None:
    placeholders = [part.partition("}")[0] for part in pattern.split("{")[1:]]
    names = {
        name: data.draw(spreading if name in ("symbol", "field", "process_id") else plain)
        for name in placeholders
    }
    key = patterns.fill(pattern, names)
    assert patterns.match(pattern, key) == names
    assert key.startswith(patterns.prefix(pattern))


@pytest.mark.parametrize(
    ("pattern", "key", "names"),
    [
        ("tickers:{exchange}", "tickers:kraken", {"exchange": "kraken"}),
        ("tickers:{exchange}", "tickers:a:b", {"exchange": "a:b"}),
        (
            "trades:{exchange}:{symbol}",
            "trades:bitmex:BTCUSD:BTC",
            {"exchange": "bitmex", "symbol": "BTCUSD:BTC"},
        ),
        ("ohlcv:{symbol}:{timeframe}", "ohlcv:BTC/USD:BTC:1m", {"symbol": "BTC/USD:BTC", "timeframe": "1m"}),
        ("process:data:{process_id}", "process:data:bot:b1:1.5", {"process_id": "bot:b1:1.5"}),
        (
            "ticker_updates:{exchange}:{field}",
            "ticker_updates:kraken:BTC/USDC:USDC",
            {"exchange": "kraken", "field": "BTC/USDC:USDC"},
        ),
        ("accounts", "accounts", {}),
        ("weather.{city}.now", "weather.Bern.now", {"city": "Bern"}),
    ],
)
def test_keys_split_at_the_separators_of_the_layout(pattern: str, key: str, names: dict[str, str]) -> None:
    assert patterns.match(pattern, key) == names


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("accounts", "accounts:1"),
        ("tickers:{exchange}", "ticker_time:kraken:BTC/USDC"),
        ("tickers:{exchange}", "tickers:"),
        ("trades:{exchange}:{symbol}", "trades:kraken"),
        ("trades:{exchange}:{symbol}", "user_trades:1:kraken"),
        ("ohlcv:{symbol}:{timeframe}", "ohlcv::1m"),
    ],
)
def test_other_kinds_of_keys_do_not_match(pattern: str, key: str) -> None:
    assert patterns.match(pattern, key) is None


def test_the_prefix_ends_at_the_first_placeholder() -> None:
    assert patterns.prefix("trades:{exchange}:{symbol}") == "trades:"
    assert patterns.prefix("accounts") == "accounts"


def test_a_missing_name_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="symbol"):
        patterns.fill("trades:{exchange}:{symbol}", {"exchange": "kraken"})
