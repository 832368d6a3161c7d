"""The actions of the RPC family, their other names, and the operations that the base endpoint recognises: tables."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from cache_streams.protocol.rpc import queries
from cache_streams.protocol.rpc.params import Params
from cache_streams.protocol.rpc.queries import Query
from cache_streams.protocol.strict_json import Json


class Answer(enum.Enum):
    """How an action is answered."""

    QUERY = "query"
    """One frame."""
    STREAM = "stream"
    """A confirmation, then updates until the socket closes."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a client can ask for. ``domain`` is the endpoint that knows it, None when all do; ``update`` is
    what a stream's frames call themselves; ``not_found`` is the code of a query that found nothing.
    """

    name: str
    domain: str | None
    query: type[Query]
    update: str | None = None
    not_found: str | None = None

    @property
    def answer(self) -> Answer:
        return Answer.QUERY if self.update is None else Answer.STREAM


_ALL = (
    Action("ping", None, Query),
    Action("health_check", None, Query),
    Action("unsubscribe", None, queries.Unsubscribe, not_found="STREAM_NOT_FOUND"),
    Action("get_ticker", "tickers", queries.MarketQuery, not_found="TICKER_NOT_FOUND"),
    Action("get_all_tickers", "tickers", queries.ExchangeQuery),
    Action("stream_tickers", "tickers", queries.TickerStream, update="ticker_update"),
    Action("get_order_status", "orders", queries.OrderQuery, not_found="ORDER_NOT_FOUND"),
    Action("get_queue_length", "orders", queries.ExchangeQuery),
    Action("stream_order_queue", "orders", queries.ExchangeQuery, update="queue_update"),
    Action("get_trades", "trades", queries.MarketQuery),
    Action("get_trade_status", "trades", queries.TradeStatusQuery, not_found="TRADE_STATUS_NOT_FOUND"),
    Action("stream_trade_updates", "trades", queries.TradeStream, update="trade_update"),
    Action("get_balance", "accounts", queries.BalanceQuery, not_found="BALANCE_NOT_FOUND"),
    Action("get_balances", "accounts", queries.AccountQuery, not_found="BALANCE_NOT_FOUND"),
    Action("stream_balances", "accounts", queries.AccountQuery, update="balance_update"),
    Action("get_positions", "accounts", queries.PositionsQuery),
    Action("stream_positions", "accounts", queries.PositionsQuery, update="position_update"),
    Action("get_bot_status", "bots", queries.BotQuery, not_found="BOT_NOT_FOUND"),
    Action("is_blocked", "bots", queries.MarketQuery),
    Action("is_opening_position", "bots", queries.MarketQuery),
    Action("get_blocks", "bots", Query),
    Action("get_bots", "bots", Query),
    Action("stream_bot_status", "bots", queries.BotStream, update="bot_update"),
    Action("get_latest_ohlcv_bars", "ohlcv", queries.BarsQuery, not_found="OHLCV_NOT_FOUND"),
    Action("stream_ohlcv", "ohlcv", queries.BarStream, update="ohlcv_update"),
    Action("get_system_health", "process", Query),
    Action("get_active_processes", "process", queries.ProcessQuery),
    Action("get_component_status", "process", queries.ComponentQuery, not_found="PROCESS_NOT_FOUND"),
    Action("stream_process_health", "process", Query, update="process_health_update"),
)

ACTIONS: Mapping[str, Action] = {action.name: action for action in _ALL}

SYNONYMS: Mapping[str, str] = {
    "get_user_balance": "get_balances",
    "get_user_balances": "get_balances",
    "get_account_status": "get_balances",
    "stream_user_balances": "stream_balances",
    "stream_balance_updates": "stream_balances",
    "get_user_positions": "get_positions",
    "get_position": "get_positions",
    "stream_user_positions": "stream_positions",
    "stream_position_updates": "stream_positions",
    "get_order_data": "get_order_status",
    "stream_orders": "stream_order_queue",
    "get_ohlcv_bars": "get_latest_ohlcv_bars",
    "stream_ohlcv_updates": "stream_ohlcv",
    "stream_metrics": "stream_process_health",
    "stream_system_metrics": "stream_process_health",
}
"""Names that documents and older clients use; three of ``get_balances`` mean ``get_balance`` when a currency is named."""

BASE_OPERATIONS = frozenset(
    {
        "ping",
        "health_check",
        "get_ticker",
        "get_all_tickers",
        "stream_tickers",
        "get_user_positions",
        "get_user_balances",
        "get_account_status",
        "stream_user_positions",
        "stream_user_balances",
        "get_order_status",
        "get_queue_length",
        "stream_order_queue",
        "is_blocked",
        "get_bots",
        "stream_bot_status",
        "get_trades",
        "get_trade_status",
        "stream_trade_updates",
        "get_latest_ohlcv_bars",
        "stream_ohlcv_updates",
        "get_active_processes",
        "get_system_health",
        "stream_process_health",
    }
)
"""Operations that the base endpoint recognises."""

BASE_IMPLEMENTED = frozenset({"ping", "health_check"})
"""Operations that the base endpoint serves when it is not told to serve them all."""


def find_action(requested: str, params: Mapping[str, Json]) -> Action | None:
    """Return the action that a client means by ``requested``; None when there is none of that name."""
    name = SYNONYMS.get(requested, requested)
    if name == "get_balances" and requested != name and params.get("currency"):
        name = "get_balance"
    return ACTIONS.get(name)


def read_query(action: Action, params: Mapping[str, Json]) -> Query:
    """Return what ``params`` ask of ``action``. Raises: InvalidParams."""
    return action.query.read(Params(params))
