"""What each stream of the RPC family sends after its confirmation: the shared ones, which have no state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cache_streams.protocol.rendition import PerUpdate, Rendition
from cache_streams.protocol.rpc.account_results import balances_result, no_balances_result, position_updates
from cache_streams.protocol.rpc.envelopes import update_body
from cache_streams.protocol.rpc.market_results import ticker_result, trade_result
from cache_streams.protocol.strict_json import Json
from cache_streams.streams.accounts import Account
from cache_streams.streams.positions import Positions
from cache_streams.streams.tickers import Ticker
from cache_streams.streams.trades import Trade
from cache_streams.streams.update import Update


def _bodies(results: Iterable[Mapping[str, Json]]) -> Iterator[bytes]:
    return map(update_body, results)


def _ticker(ticker: Ticker, update: Update, _now: float) -> Iterator[bytes]:
    return _bodies([ticker_result(ticker, update.extra())])


def _trade(trade: Trade, update: Update, _now: float) -> Iterator[bytes]:
    return _bodies([trade_result(trade, update.extra())])


def _positions(held: Positions, _update: Update, _now: float) -> Iterator[bytes]:
    return _bodies(position_updates(held))


def _balances(account: Account, _update: Update, now: float) -> Iterator[bytes]:
    return _bodies([balances_result(account, now)])


def _no_balances(update: Update, now: float) -> Iterator[bytes]:
    return _bodies([no_balances_result(update.key[0], now)])


TICKER_UPDATES: Rendition = PerUpdate(Ticker, _ticker)
"""One frame per change of a ticker; none when it is removed."""

TRADE_UPDATES: Rendition = PerUpdate(Trade, _trade)
"""One frame per trade, those of the snapshot first."""

POSITION_UPDATES: Rendition = PerUpdate(Positions, _positions)
"""One frame per position of the changed account; none when the last one is gone."""

BALANCE_UPDATES: Rendition = PerUpdate(Account, _balances, gone=_no_balances)
"""One frame per change of an account, with no currencies when it was removed."""
