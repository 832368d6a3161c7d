"""The seeded market."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.demo.market import HISTORY_BARS, TIMEFRAMES, Market, Move, rounded, symbol_names

START = 1_768_473_000.0


def moves(seed: int, count: int, every: float = 0.05, symbols: int = 3) -> list[Move]:
    market = Market(seed, symbols, START)
    return [market.move(START + n * every) for n in range(count)]


@given(st.integers())
def test_the_same_seed_makes_the_same_market(seed: int) -> None:
    assert moves(seed, 20) == moves(seed, 20)


def test_another_seed_makes_another_market() -> None:
    assert moves(1, 20) != moves(2, 20)


@given(st.integers(1, 500))
def test_symbols_are_as_many_as_asked_distinct_and_begin_with_the_one_of_the_examples(count: int) -> None:
    names = symbol_names(count)
    assert names[0] == "BTC/USDC"
    assert len(set(names)) == len(names) == count


def test_the_first_move_is_the_market_of_the_examples() -> None:
    (move,) = moves(7, 1)
    assert (move.exchange, move.symbol) == ("kraken", "BTC/USDC")


def test_every_market_moves_before_one_moves_twice() -> None:
    assert len({(move.exchange, move.symbol) for move in moves(7, 6)}) == 6


def test_prices_stay_near_their_origin_and_the_spread_stays_around_them() -> None:
    for move in moves(7, 20_000, symbols=1):
        tick = move.tick
        assert tick["bid"] < tick["price"] < tick["ask"]
        assert 64_000 / 2 < tick["price"] < 64_000 * 2


def test_trade_ids_rise_and_are_never_those_of_an_earlier_run() -> None:
    ids = [move.trade["trade_id"] for move in moves(7, 200) if move.trade]
    assert ids == sorted(set(ids))
    later = Market(7, 3, START + 60)
    assert next(t["trade_id"] for t in (later.move(START + 60).trade for _ in range(100)) if t) > ids[-1]


def test_a_trade_has_the_price_of_its_tick() -> None:
    assert all(move.trade["price"] == move.tick["price"] for move in moves(7, 100) if move.trade)


def test_a_bar_closes_once_when_its_minute_is_over_and_holds_what_happened() -> None:
    seen = moves(7, 2400, symbols=1)
    closed = [each for move in seen for each in move.closed if each.timeframe == "1m"]
    prices = [m.tick["price"] for m in seen if m.exchange == "kraken" and m.tick["time"] < START + 60]
    assert [each.bar[0] for each in closed] == [START]
    assert closed[0].bar[1:5] == [prices[0], max(prices), min(prices), prices[-1]]


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_history_ends_with_the_last_closed_bar_without_a_gap(timeframe: str) -> None:
    bars = [each.bar for each in Market(7, 1, START).history(START) if each.timeframe == timeframe]
    seconds = TIMEFRAMES[timeframe]
    current = START // seconds * seconds
    assert [bar[0] for bar in bars] == [current - n * seconds for n in range(HISTORY_BARS, 0, -1)]
    assert all(
        low <= min(opened, close) <= max(opened, close) <= high for _, opened, high, low, close, _ in bars
    )


@pytest.mark.parametrize(
    ("price", "shown"), [(64000.123, 64000.12), (3.12341, 3.1234), (0.1234567, 0.123457)]
)
def test_prices_have_as_many_decimals_as_their_size_makes_sense_of(price: float, shown: float) -> None:
    assert rounded(price) == shown
