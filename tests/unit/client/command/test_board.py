from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.client.command.board import RATE_S, Board, Market, middle
from cache_streams.client.messages import Message
from cache_streams.streams.tickers import Ticker


def tick(
    key: str, price: float | None, at: float = 100.0, missed: int = 0, kind: Any = "update"
) -> Message[Any]:
    data = None if price is None else Ticker(exchange="k", symbol="s", price=price, time=at)
    times: dict[str, Any] = {"source_time": at, "relay_time": at + 0.002} if kind == "update" else {}
    return Message(
        kind=kind, stream="tickers", key=key, seq=1, cursor=None, data=data, missed=missed, **times
    )


@given(st.floats(2, 50), st.integers(3, 60))
def test_a_steady_pace_is_told_as_its_rate_also_soon_after_the_beginning(pace: float, seconds: int) -> None:
    market, count = Market("k"), int(pace * seconds)
    for number in range(count):
        market.count(1, number / pace)
    assert market.rate_at((count - 1) / pace) == pytest.approx(pace, rel=0.3)


def test_half_of_a_rate_is_forgotten_when_nothing_comes() -> None:
    market = Market("k")
    for second in range(100):
        market.count(10, float(second))
    assert market.rate_at(99.0 + RATE_S) == pytest.approx(market.rate_at(99.0) / 2, rel=0.01)


def test_skipped_changes_count_as_changes() -> None:
    one, other = Board(), Board()
    one.take(tick("a", 1.0, missed=3), 100.0)
    for _ in range(4):
        other.take(tick("a", 1.0), 100.0)
    assert one.markets["a"].rate_at(100.0) == other.markets["a"].rate_at(100.0)
    assert one.markets["a"].skipped == 3


def test_a_state_is_no_update() -> None:
    board = Board()
    board.take(tick("a", 1.0, kind="snapshot"), 100.0)
    assert board.markets["a"].rate_at(100.0) == 0.0
    assert board.flows["tickers"].total.rate_at(100.0) == 0.0


@pytest.mark.parametrize(
    ("prices", "move"), [([1.0], 0), ([1.0, 2.0], 1), ([2.0, 1.0], -1), ([1.0, 2.0, 2.0], 1)]
)
def test_a_move_lasts_until_the_next_one(prices: list[float], move: int) -> None:
    board = Board()
    for price in prices:
        board.take(tick("a", price), 100.0)
    assert board.markets["a"].move == move


def test_a_market_that_is_gone_is_not_shown() -> None:
    board = Board()
    board.take(tick("a", 1.0), 100.0)
    board.take(tick("a", None), 100.0)
    assert board.markets == {}


def test_the_busiest_come_first_and_equal_ones_by_name() -> None:
    board = Board()
    for key in ("b", "a", *["c"] * 20):
        board.take(tick(key, 1.0), 100.0)
    assert [market.key for market in board.busiest(100.0, 2)] == ["c", "a"]


def test_no_more_markets_are_kept_than_the_limit() -> None:
    board = Board(limit=2)
    for key in "abc":
        board.take(tick(key, 1.0), 100.0)
    assert set(board.markets) == {"a", "b"}


def test_lags_are_told_by_their_middle() -> None:
    board = Board()
    for late in (0.001, 0.010, 5.0):
        board.take(tick("a", 1.0, at=100.0), 100.002 + late)
    flow = board.flows["tickers"]
    assert middle(flow.lags_s) == pytest.approx(0.010)
    assert middle(flow.sources_s) == pytest.approx(0.002)


def test_of_nothing_there_is_no_middle() -> None:
    assert middle(deque()) is None


def test_a_silent_source_is_noted() -> None:
    board = Board()
    board.tell("tickers", "stale")
    assert board.flows["tickers"].state == "stale"
