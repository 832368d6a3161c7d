"""What each action asks for."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol.rpc import queries
from cache_streams.protocol.rpc.params import InvalidParams, Params
from cache_streams.protocol.rpc.queries import Query

QUERIES: list[type[Query]] = [Query, *Query.__subclasses__()]
NAMES = sorted({field.name for query in QUERIES for field in msgspec.structs.fields(query)})
MARKET = {"exchange": "kraken", "symbol": "BTC/USDC"}
BARS = {"symbol": "BTC/USDC", "timeframe": "1m"}


@pytest.mark.parametrize(
    ("query", "params", "read"),
    [
        (Query, {"anything": 1}, Query()),
        (queries.ExchangeQuery, {"exchange": "kraken"}, queries.ExchangeQuery("kraken")),
        (queries.MarketQuery, MARKET, queries.MarketQuery("kraken", "BTC/USDC")),
        (queries.TickerStream, {"exchange": "kraken"}, queries.TickerStream("kraken", ())),
        (
            queries.TickerStream,
            {"exchange": "kraken", "symbols": "A"},
            queries.TickerStream("kraken", ("A",)),
        ),
        (queries.TradeStream, {"exchange": "kraken"}, queries.TradeStream("kraken", None)),
        (queries.TradeStatusQuery, {"trade_key": "kraken"}, queries.TradeStatusQuery("kraken")),
        (queries.TradeStatusQuery, {"exchange": "kraken"}, queries.TradeStatusQuery("kraken")),
        (queries.OrderQuery, {"order_id": 7}, queries.OrderQuery(None, "7")),
        (queries.OrderQuery, {"exchange": "k", "ex_order_id": "O"}, queries.OrderQuery("k", "O")),
        (queries.BalanceQuery, {"user_id": 0, "currency": "BTC"}, queries.BalanceQuery(0, "BTC")),
        (queries.BalanceQuery, {"user_id": "1", "exchange": "BTC"}, queries.BalanceQuery(1, "BTC")),
        (queries.AccountQuery, {"user_id": 1, "exchange_id": "2"}, queries.AccountQuery(2)),
        (queries.PositionsQuery, {"user_id": 0}, queries.PositionsQuery(0, None, None)),
        (queries.PositionsQuery, {"exchange": "1"}, queries.PositionsQuery(None, "1", 1)),
        (queries.BotQuery, {"bot_id": 7}, queries.BotQuery("7")),
        (queries.BotStream, {}, queries.BotStream(None)),
        (queries.BotStream, {"bot_id": 7}, queries.BotStream("7")),
        (queries.BarsQuery, BARS, queries.BarsQuery("BTC/USDC", "1m", 10)),
        (queries.BarsQuery, BARS | {"count": "3"}, queries.BarsQuery("BTC/USDC", "1m", 3)),
        (queries.BarsQuery, BARS | {"count": 0}, queries.BarsQuery("BTC/USDC", "1m", 1)),
        (queries.BarsQuery, BARS | {"count": 10**6}, queries.BarsQuery("BTC/USDC", "1m", 10_000)),
        (queries.BarStream, BARS, queries.BarStream("BTC/USDC", "1m")),
        (queries.ProcessQuery, {}, queries.ProcessQuery(None, None, 5)),
        (
            queries.ProcessQuery,
            {"process_type": "bot", "since_minutes": "9"},
            queries.ProcessQuery("bot", None, 9),
        ),
        (queries.ComponentQuery, {"component": "b1"}, queries.ComponentQuery("b1")),
        (queries.Unsubscribe, {"stream_key": "c1:s1"}, queries.Unsubscribe("c1:s1", None)),
        (queries.Unsubscribe, {"request_id": 5}, queries.Unsubscribe(None, 5)),
    ],
)
def test_parameters_are_read_as_the_action_means_them(
    query: type[Query], params: dict[str, object], read: Query
) -> None:
    assert query.read(Params(params)) == read


@pytest.mark.parametrize(
    ("query", "params", "field"),
    [
        (queries.ExchangeQuery, {"exchange": ""}, "exchange"),
        (queries.MarketQuery, {"exchange": "kraken"}, "symbol"),
        (queries.OrderQuery, {"exchange": "kraken", "order_id": 0}, "order_id"),
        (queries.BalanceQuery, {"currency": "BTC"}, "user_id"),
        (queries.BalanceQuery, {"user_id": "x", "currency": "BTC"}, "user_id"),
        (queries.BalanceQuery, {"user_id": 1}, "currency"),
        (queries.AccountQuery, {}, "exchange_id"),
        (queries.PositionsQuery, {}, "user_id"),
        (queries.PositionsQuery, {"exchange": "binance"}, "exchange"),
        (queries.BotQuery, {"bot_id": 0}, "bot_id"),
        (queries.BarsQuery, BARS | {"count": "many"}, "count"),
        (queries.ProcessQuery, {"process_type": "nonesuch"}, "process_type"),
        (queries.ProcessQuery, {"since_minutes": "soon"}, "since_minutes"),
        (queries.ProcessQuery, {"since_minutes": -1}, "since_minutes"),
        (queries.ProcessQuery, {"since_minutes": 525_601}, "since_minutes"),
        (queries.Unsubscribe, {}, "stream_key"),
        (queries.Unsubscribe, {"stream_key": 5}, "stream_key"),
    ],
)
def test_a_refusal_names_the_field(query: type[Query], params: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        query.read(Params(params))
    assert refused.value.field == field


@given(
    st.sampled_from(QUERIES),
    st.dictionaries(
        st.sampled_from(NAMES),
        st.none()
        | st.integers()
        | st.text()
        | st.booleans()
        | st.floats()
        | st.lists(st.text() | st.integers()),
    ),
)
def test_arbitrary_parameters_raise_nothing_but_a_refusal(
    query: type[Query], params: dict[str, object]
) -> None:
    with contextlib.suppress(InvalidParams):
        assert isinstance(query.read(Params(params)), query)
