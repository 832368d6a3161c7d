"""Candles and trades over REST, as clients of the candle service ask for them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import Client

from tests.integration.rest.conftest import ERROR_MEMBERS, Answer, Person
from tests.integration.rest.relaying import eventually
from tests.integration.wire.collector import Collector, fresh_name, trade

MINUTE = 60
BEGAN = 1_700_000_040  # 2023-11-14T22:14:00Z, a whole minute


def bars(count: int) -> list[list[float]]:
    return [[BEGAN + MINUTE * n, 1.0 + n, 2.0 + n, 0.5 + n, 1.5 + n, 10.0 + n] for n in range(count)]


def iso(minute: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(BEGAN + MINUTE * minute))


def ask(person: Person, path: str, **query: str) -> Answer:
    return person.client.get(f"/api/v1/ohlcv{path}", query, headers=person.headers)


@pytest.fixture
def base(collector: Collector) -> str:
    """A base currency with five bars of one minute against USDC."""
    name = fresh_name("C").upper()
    collector.bars(f"{name}/USDC", "1m", *bars(5))
    return name


@pytest.fixture
def market(ann: Person, collector: Collector) -> str:
    """``{exchange}/{symbol}`` with three trades."""
    exchange = fresh_name()
    collector.tick(exchange, "BTC/USDC")
    collector.trades(exchange, "BTC/USDC", *(trade(number) for number in range(3)))
    ann.until(f"/trades/{exchange}/BTC/USDC", lambda told: len(told["data"]) == 3)
    return f"{exchange}/BTC/USDC"


@pytest.mark.parametrize("symbol", ["{}/USDC", "{}%2FUSDC", "{}-USDC", "{}%2fUSDC"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_candles_are_the_cached_bars_in_the_envelope_of_the_candle_service(
    ann: Person, base: str, symbol: str, slash: str
) -> None:
    told = ask(ann, f"/candles/kraken/{symbol.format(base)}/1m{slash}", limit="2").json()
    assert isinstance(told.pop("timestamp"), str)
    assert told == {
        "success": True, "message": None, "count": 2, "exchange": "kraken", "symbol": f"{base}/USDC",
        "timeframe": "1m", "offset": None, "limit": 2, "total_available": None, "start_time": None, "end_time": None,
        "candles": [
            {"timestamp": "2023-11-14T22:17:00+00:00", "open": 4.0, "high": 5.0, "low": 3.5, "close": 4.5, "vol": 13.0},
            {"timestamp": "2023-11-14T22:18:00+00:00", "open": 5.0, "high": 6.0, "low": 4.5, "close": 5.5, "vol": 14.0},
        ],
    }  # fmt: skip


def test_bars_that_a_collector_wrote_twice_are_told_once_as_last_written(
    ann: Person, base: str, collector: Collector
) -> None:
    collector.bars(f"{base}/USDC", "1m", [*bars(5)[-1][:5], 99.0])
    candles = ask(ann, f"/candles/kraken/{base}/USDC/1m").json()["candles"]
    assert (len(candles), candles[-1]["vol"]) == (5, 99.0)


def test_a_range_has_the_bars_that_begin_within_it(ann: Person, base: str) -> None:
    told = ask(ann, f"/candles/kraken/{base}/USDC/1m/range", start_time=iso(1), end_time=iso(3)).json()
    assert [candle["open"] for candle in told["candles"]] == [2.0, 3.0, 4.0]
    assert (told["total_available"], told["start_time"]) == (3, "2023-11-14T22:15:00+00:00")


def test_a_time_series_has_the_newest_of_its_times(ann: Person, base: str) -> None:
    query = {"start_time": iso(0), "end_time": iso(3), "limit": "2"}
    told = ask(ann, f"/timeseries/kraken/{base}/USDC/ohlcv", **query).json()
    assert [bar["open"] for bar in told["ohlcv"]] == [3.0, 4.0]
    assert {"trades_processed", "generation_time_ms", "timeframe"} <= set(told)
    assert not {"offset", "candles"} & set(told)


def test_a_symbol_without_bars_has_none(ann: Person, relay: None) -> None:
    answer = ask(ann, "/candles/kraken/NONE/USDC/1h")
    assert (answer.status_code, answer.json()["candles"]) == (200, [])


@pytest.mark.parametrize(
    ("path", "member", "count"),
    [
        ("/kraken/{}/USDC", "candles", 5),
        ("/kraken/{}-USDC", "candles", 5),
        ("/kraken/{}/USDC/1m/", "candles", 5),
        ("/kraken/{}/USDC/5m", "candles", 0),
        ("/kraken/{}/USDC/ohlcv?start_time=2023-11-14T22:14:00Z&end_time=2023-11-14T22:15:00", "ohlcv", 2),
    ],
)
def test_older_forms_answer_as_the_newer_ones(
    ann: Person, base: str, path: str, member: str, count: int
) -> None:
    told = ask(ann, path.format(base)).json()
    assert (len(told[member]), told["count"]) == (count, count)


def test_the_latest_is_one_candle_or_none(ann: Person, base: str) -> None:
    assert ask(ann, f"/kraken/{base}/USDC/latest").json()["candle"]["open"] == 5.0
    assert ask(ann, f"/kraken/{base}/USDC/latest", timeframe="1d").json()["candle"] is None


def test_trades_are_public_and_the_newest_last(ann: Person, market: str) -> None:
    told = ask(ann, f"/trades/{market}", limit="2").json()
    assert [each["price"] for each in told["trades"]] == [50001.0, 50002.0]
    assert told["trades"][0] == {
        "timestamp": "2023-11-14T22:13:21+00:00", "price": 50001.0, "volume": 0.1, "side": "buy", "type": None,
    }  # fmt: skip
    assert (told["count"], told["total_available"], "timeframe" in told) == (2, 3, False)


def test_trades_of_a_range(ann: Person, market: str) -> None:
    query = {"start_time": "2023-11-14T22:13:21Z", "end_time": "1700000001"}
    assert ask(ann, f"/trades/{market.replace('/BTC/', '/BTC-')}/range", **query).json()["count"] == 1


def test_a_market_with_a_ticker_and_no_trades_has_none_and_an_unknown_one_is_404(
    ann: Person, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, "A/B")
    assert ask(ann, f"/trades/{exchange}/A/B").json()["trades"] == []
    unknown = ask(ann, f"/trades/{exchange}/B/A")
    assert (unknown.status_code, set(unknown.json())) == (404, ERROR_MEMBERS)


TIMES = "start_time=2023-11-14T22:14:00Z&end_time=2023-11-14T22:15:00Z"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/candles/k/A/B/7m", "timeframe"),
        ("/k/A/B/7m", "timeframe"),
        ("/candles/k/A/B/1m?limit=5001", "limit"),
        ("/candles/k/A/B/1m?limit=0", "limit"),
        ("/candles/k/A/B/1m?lmit=1", "lmit"),
        ("/candles/k/A/B/1m/range", "start_time"),
        (f"/candles/k/A/B/1m/range?{TIMES}&limit=1", "limit"),
        ("/candles/k/A/B/1m/range?start_time=x&end_time=1", "start_time"),
        ("/candles/k/A/B/1m/range?start_time=2&end_time=1", "end_time"),
        ("/candles/k/A/B/1m/range?start_time=2&end_time=NaN", "end_time"),
        (f"/timeseries/k/A/B/ohlcv?{TIMES}&limit=10001", "limit"),
        (f"/timeseries/k/A/B/ohlcv?{TIMES}&timeframe=2m", "timeframe"),
        ("/trades/k/A/B?limit=5001", "limit"),
        (f"/trades/k/A/B/range?{TIMES}&limit=10001", "limit"),
        ("/symbols/search", "q"),
        (f"/symbols/search?q={'x' * 65}", "q"),
    ],
)
def test_what_breaks_a_rule_is_named(ann: Person, relay: None, path: str, field: str) -> None:
    answer = ann.client.get(f"/api/v1/ohlcv{path}", headers=ann.headers)
    assert (answer.status_code, set(answer.json()["errors"])) == (422, {field})


@pytest.mark.parametrize(
    "path",
    [
        "/exchanges/none/symbols",
        "/status/x",
        "/validate/x",
        "/candles/k",
        "/candles/k/%00/1m",
        "/exchanges/k/info",
    ],
)
def test_what_is_not_served_is_404(ann: Person, relay: None, path: str) -> None:
    answer = ann.client.get(f"/api/v1/ohlcv{path}", headers=ann.headers)
    assert (answer.status_code, set(answer.json())) == (404, ERROR_MEMBERS)


def test_a_stranger_is_refused(client: Client, db: None) -> None:
    for path in ("/candles/kraken/BTC/USDC/1m", "/exchanges", "/kraken/BTC/USDC"):
        assert client.get(f"/api/v1/ohlcv{path}").status_code == 401


def test_markets_are_found_by_their_tickers(ann: Person, collector: Collector) -> None:
    exchange, coin = fresh_name(), fresh_name("Coin")
    for symbol in (f"{coin}/USDC", f"{coin}/EUR"):
        collector.tick(exchange, symbol)

    def symbols() -> Any:  # Any: JSON
        return ask(ann, f"/exchanges/{exchange}/symbols").json().get("symbols")

    eventually(lambda: symbols() == [f"{coin}/EUR", f"{coin}/USDC"])
    assert exchange in ask(ann, "/exchanges").json()["exchanges"]
    assert ask(ann, "/symbols/search", q=coin.lower()).json()["symbols"] == [f"{coin}/EUR", f"{coin}/USDC"]
