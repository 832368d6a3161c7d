"""The tables of actions."""

from __future__ import annotations

import pytest

from cache_streams.protocol.rpc import queries
from cache_streams.protocol.rpc.actions import (
    ACTIONS,
    BASE_IMPLEMENTED,
    BASE_OPERATIONS,
    SYNONYMS,
    Answer,
    find_action,
    read_query,
)
from cache_streams.protocol.rpc.params import InvalidParams

DOMAINS = {"tickers", "orders", "trades", "accounts", "bots", "ohlcv", "process", None}


def test_every_domain_has_actions_and_no_other_has() -> None:
    assert {action.domain for action in ACTIONS.values()} == DOMAINS


def test_every_domain_has_a_stream() -> None:
    streaming = {action.domain for action in ACTIONS.values() if action.answer is Answer.STREAM}
    assert streaming == DOMAINS - {None}


def test_every_synonym_means_an_action_and_is_none_itself() -> None:
    assert set(SYNONYMS.values()) <= set(ACTIONS)
    assert not set(SYNONYMS) & set(ACTIONS)


def test_the_base_endpoint_recognises_24_operations_which_all_mean_something() -> None:
    assert len(BASE_OPERATIONS) == 24
    assert BASE_IMPLEMENTED < BASE_OPERATIONS
    assert all(find_action(name, {}) for name in BASE_OPERATIONS)


@pytest.mark.parametrize("name", ["get_user_balance", "get_user_balances", "get_account_status"])
def test_one_balance_is_meant_when_a_currency_is_named(name: str) -> None:
    assert find_action(name, {"currency": "BTC"}) is ACTIONS["get_balance"]
    assert find_action(name, {"currency": ""}) is ACTIONS["get_balances"]
    assert find_action(name, {}) is ACTIONS["get_balances"]


def test_all_balances_are_meant_by_their_own_name_even_when_a_currency_is_named() -> None:
    assert find_action("get_balances", {"currency": "BTC"}) is ACTIONS["get_balances"]


def test_a_name_that_nobody_uses_is_no_action() -> None:
    assert find_action("set_ticker", {}) is None


def test_the_parameters_are_read_by_the_rules_of_the_action() -> None:
    params = {"exchange": "kraken", "symbol": "BTC/USDC"}
    assert read_query(ACTIONS["get_ticker"], params) == queries.MarketQuery("kraken", "BTC/USDC")
    with pytest.raises(InvalidParams, match="bot_id"):
        read_query(ACTIONS["get_bot_status"], params)
