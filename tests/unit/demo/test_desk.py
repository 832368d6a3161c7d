"""The seeded trading desk."""

from __future__ import annotations

import itertools
import json

import pytest

from cache_streams.demo.desk import ACCOUNTS, KEPT_ORDERS, OPEN_ORDERS, Desk, Holding
from cache_streams.demo.market import Market
from cache_streams.streams import accounts, positions

START = 1_768_473_000.0
ISO = "2026-01-15T10:30:00.000000+00:00"


def desk(seed: int = 7) -> Desk:
    market = Market(seed, 3, START)
    return Desk(seed, market.listings, market.price, START)


def life(seed: int, steps: int) -> list[tuple[str, str]]:
    trading = desk(seed)
    seen = (trading.step(account).order for account in itertools.islice(itertools.cycle(ACCOUNTS), steps))
    return [(order.order_id, order.status) for order in seen]


def test_the_same_seed_makes_the_same_orders() -> None:
    assert life(7, 100) == life(7, 100)
    assert life(7, 100) != life(8, 100)


def test_an_order_begins_as_new_and_ends_filled_or_cancelled() -> None:
    lives: dict[str, list[str]] = {}
    for order_id, status in life(7, 2000):
        lives.setdefault(order_id, []).append(status)
    finished = [states for states in lives.values() if states[-1] in {"filled", "cancelled"}]
    assert {states[0] for states in lives.values()} == {"New"}
    assert {state for states in lives.values() for state in states} == {
        *("New", "open", "partially_filled", "filled", "cancelled")
    }
    assert all(len(states) <= 4 for states in finished)


def test_no_status_makes_a_processor_expire_the_whole_hash() -> None:
    assert "canceled" not in {status for _, status in life(7, 2000)}


def test_orders_stay_bounded_and_a_forgotten_one_was_finished() -> None:
    trading = desk()
    shown: set[str] = set()
    for _ in range(2000):
        step = trading.step("1")
        shown.add(step.order.order_id)
        if step.forgotten:
            assert not step.forgotten.is_open
            shown.remove(step.forgotten.order_id)
        assert len(trading.books["1"].open) <= OPEN_ORDERS
    assert len(shown) <= OPEN_ORDERS + KEPT_ORDERS


@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_account_ever_owes_money_or_holds_less_than_nothing(account: str) -> None:
    trading = desk()
    for _ in range(3000):
        trading.step(account)
        book = trading.books[account]
        assert book.cash > 0
        assert all(holding.volume > 0 for holding in book.holdings.values())


@pytest.mark.parametrize("account", ACCOUNTS)
def test_balances_and_positions_are_read_without_a_flaw(account: str) -> None:
    trading = desk()
    for _ in range(50):
        trading.step(account)
    read = [
        accounts.decode({}, account, json.dumps(trading.balances(account, ISO)).encode()),
        positions.decode({}, account, json.dumps(trading.positions(account, START, ISO)).encode()),
    ]
    assert [record.flaw for record in read] == [None, None]
    assert [record.time for record in read] == [START, START]


def test_two_symbols_of_one_currency_make_one_balance() -> None:
    trading = desk()
    trading.books["1"].holdings = {"BTC/USDC": Holding(1.0, 1.0), "BTC/USDC:USDC": Holding(2.0, 1.0)}
    assert trading.balances("1", ISO)["BTC"]["total"] == 3.0
