"""Requests for candles and trades, as clients of the candle service send them."""

from __future__ import annotations

import re
import time

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from cache_streams.rest import market_answers as bodies
from cache_streams.rest import market_queries as asked
from cache_streams.rest import markets
from cache_streams.rest.loop import answer
from cache_streams.rest.market_queries import END, LIMIT, START, TIMEFRAME, TIMEFRAME_DEFAULT, Window, iso
from cache_streams.streams.ohlcv import TIMEFRAMES

CANDLES_MAX, SERIES_MAX, TRADES_MAX = 5_000, 10_000, 10_000
RANGE_TRADES_DEFAULT = 1_000
TAG = "ohlcv"
OTHERS = frozenset({"candles", "exchanges", "status", "symbols", "timeseries", "trades", "validate"})
"""What an exchange is not called in the older forms of the routes."""
_LOOKS_LIKE_TIMEFRAME = re.compile(r"\d+[A-Za-z]")


def _limit(most: int, default: int = asked.COUNT_DEFAULT) -> OpenApiParameter:
    return OpenApiParameter(LIMIT, {"type": "integer", "minimum": 1, "maximum": most, "default": default})


_PATH = [
    OpenApiParameter("exchange", {"type": "string", "minLength": 1}, OpenApiParameter.PATH),
    OpenApiParameter(
        "symbol", {"type": "string", "minLength": 1}, OpenApiParameter.PATH,
        description="BTC/USDC, BTC%2FUSDC or BTC-USDC.",
    ),
]  # fmt: skip
_TIMES = [
    OpenApiParameter(
        name,
        {"type": "string", "format": "date-time"},
        required=True,
        description="ISO 8601; without a zone UTC.",
    )
    for name in (START, END)
]
_TIMEFRAME_SCHEMA = {"type": "string", "enum": list(TIMEFRAMES)}
_TIMEFRAME = OpenApiParameter(TIMEFRAME, _TIMEFRAME_SCHEMA, OpenApiParameter.PATH)


class MarketView(APIView):
    """What they share: answers out of structs."""

    def told(self, body: msgspec.Struct) -> HttpResponse:
        """Return an answer."""
        return HttpResponse(msgspec.json.encode(body), content_type="application/json")

    def candles(
        self, exchange: str, symbol: str, timeframe: str, limit: int, window: Window | None = None
    ) -> HttpResponse:
        """Answer bars as ``Candles``."""
        names = asked.market_names(exchange, symbol)
        found = answer(markets.bars(names, asked.known_timeframe(timeframe), limit, window))
        body = bodies.Candles(
            timestamp=iso(time.time()),
            count=len(found.told),
            exchange=exchange,
            symbol=found.symbol,
            candles=[bodies.candle(bar) for bar in found.told],
            timeframe=timeframe,
            limit=limit,
            total_available=found.available if window else None,
            start_time=iso(window.start) if window else None,
            end_time=iso(window.end) if window else None,
        )
        return self.told(body)

    def series(self, exchange: str, symbol: str, timeframe: str, limit: int, window: Window) -> HttpResponse:
        """Answer bars as ``TimeSeries``."""
        began = time.perf_counter()
        names = asked.market_names(exchange, symbol)
        found = answer(markets.bars(names, asked.known_timeframe(timeframe), limit, window))
        body = bodies.TimeSeries(
            timestamp=iso(time.time()),
            count=len(found.told),
            exchange=exchange,
            symbol=found.symbol,
            ohlcv=[bodies.candle(bar) for bar in found.told],
            timeframe=timeframe,
            trades_processed=0,
            generation_time_ms=round((time.perf_counter() - began) * 1000, 3),
        )
        return self.told(body)

    def trades(self, exchange: str, symbol: str, limit: int, window: Window | None = None) -> HttpResponse:
        """Answer trades. Raises: ``NotFound`` for an unknown market."""
        found = answer(markets.trades(exchange, asked.market_names(exchange, symbol), limit, window))
        if found is None:
            raise NotFound
        body = bodies.MarketTrades(
            timestamp=iso(time.time()),
            count=len(found.told),
            exchange=exchange,
            symbol=found.symbol,
            trades=[bodies.market_trade(trade) for trade in found.told],
            limit=limit,
            total_available=found.available,
            start_time=iso(window.start) if window else None,
            end_time=iso(window.end) if window else None,
        )
        return self.told(body)


def _series_query(query: dict[str, str]) -> tuple[str, int, Window]:
    asked.only(query, TIMEFRAME, START, END, LIMIT)
    timeframe = asked.known_timeframe(query.get(TIMEFRAME, TIMEFRAME_DEFAULT))
    return timeframe, asked.read_limit(query, most=SERIES_MAX), asked.read_window(query)


class SeriesView(MarketView):
    """``/ohlcv/timeseries/{exchange}/{symbol}/ohlcv``."""

    @extend_schema(
        operation_id="ohlcv_timeseries",
        summary="Bars of a market between two times",
        tags=[TAG],
        parameters=[
            *_PATH,
            OpenApiParameter(TIMEFRAME, {**_TIMEFRAME_SCHEMA, "default": TIMEFRAME_DEFAULT}),
            *_TIMES,
            _limit(SERIES_MAX),
        ],
        responses={200: bodies.reference(bodies.TimeSeries)},
    )
    def get(self, request: Request, exchange: str, symbol: str) -> HttpResponse:
        """Answer the newest ``limit`` bars that begin between the times."""
        timeframe, limit, window = _series_query(request.query_params.dict())
        return self.series(exchange, symbol, timeframe, limit, window)


class CandlesView(MarketView):
    """``/ohlcv/candles/{exchange}/{symbol}/{timeframe}``."""

    @extend_schema(
        operation_id="ohlcv_candles",
        summary="The newest bars of a market",
        tags=[TAG],
        parameters=[*_PATH, _TIMEFRAME, _limit(CANDLES_MAX)],
        responses={200: bodies.reference(bodies.Candles)},
    )
    def get(self, request: Request, exchange: str, symbol: str, timeframe: str) -> HttpResponse:
        """Answer up to ``limit`` bars, the newest last; none for a symbol without bars."""
        query = request.query_params.dict()
        asked.only(query, LIMIT)
        return self.candles(exchange, symbol, timeframe, asked.read_limit(query, most=CANDLES_MAX))


class CandleRangeView(MarketView):
    """``/ohlcv/candles/{exchange}/{symbol}/{timeframe}/range``."""

    @extend_schema(
        operation_id="ohlcv_candles_range",
        summary="Bars of a market that begin between two times",
        tags=[TAG],
        parameters=[*_PATH, _TIMEFRAME, *_TIMES],
        responses={200: bodies.reference(bodies.Candles)},
    )
    def get(self, request: Request, exchange: str, symbol: str, timeframe: str) -> HttpResponse:
        """Answer the newest 10,000 of them at most."""
        query = request.query_params.dict()
        asked.only(query, START, END)
        return self.candles(exchange, symbol, timeframe, SERIES_MAX, asked.read_window(query))


class TradesView(MarketView):
    """``/ohlcv/trades/{exchange}/{symbol}``."""

    @extend_schema(
        operation_id="ohlcv_trades",
        summary="The newest trades of a market",
        tags=[TAG],
        parameters=[*_PATH, _limit(CANDLES_MAX)],
        responses={200: bodies.reference(bodies.MarketTrades)},
    )
    def get(self, request: Request, exchange: str, symbol: str) -> HttpResponse:
        """Answer up to ``limit`` of the 100 that are kept, the newest last."""
        query = request.query_params.dict()
        asked.only(query, LIMIT)
        return self.trades(exchange, symbol, asked.read_limit(query, most=CANDLES_MAX))


class TradeRangeView(MarketView):
    """``/ohlcv/trades/{exchange}/{symbol}/range``."""

    @extend_schema(
        operation_id="ohlcv_trades_range",
        summary="Trades of a market between two times",
        tags=[TAG],
        parameters=[*_PATH, *_TIMES, _limit(TRADES_MAX, RANGE_TRADES_DEFAULT)],
        responses={200: bodies.reference(bodies.MarketTrades)},
    )
    def get(self, request: Request, exchange: str, symbol: str) -> HttpResponse:
        """Answer those of the 100 that are kept."""
        query = request.query_params.dict()
        asked.only(query, START, END, LIMIT)
        limit = asked.read_limit(query, most=TRADES_MAX, default=RANGE_TRADES_DEFAULT)
        return self.trades(exchange, symbol, limit, asked.read_window(query))


class OlderView(MarketView):
    """``/ohlcv/{exchange}/{symbol}`` and below it ``/{timeframe}``, ``/ohlcv``, ``/latest``: forms that older clients use."""

    schema = None  # the API document has the newer forms

    def get(self, request: Request, exchange: str, rest: str) -> HttpResponse:
        """Answer as the newer form would; ``latest`` is one bar."""
        if exchange in OTHERS:
            raise NotFound
        symbol, _, last = rest.rstrip("/").rpartition("/")
        query = request.query_params.dict()
        if symbol and last == "ohlcv":
            timeframe, limit, window = _series_query(query)
            return self.series(exchange, symbol, timeframe, limit, window)
        if symbol and last == "latest":
            asked.only(query, TIMEFRAME)
            return self.latest(exchange, symbol, query.get(TIMEFRAME, TIMEFRAME_DEFAULT))
        asked.only(query, LIMIT)
        limit = asked.read_limit(query, most=CANDLES_MAX)
        if symbol and _LOOKS_LIKE_TIMEFRAME.fullmatch(last):
            return self.candles(exchange, symbol, last, limit)
        return self.candles(exchange, rest.rstrip("/"), TIMEFRAME_DEFAULT, limit)

    def latest(self, exchange: str, symbol: str, timeframe: str) -> HttpResponse:
        """Answer the newest bar."""
        names = asked.market_names(exchange, symbol)
        found = answer(markets.bars(names, asked.known_timeframe(timeframe), 1))
        body = bodies.Latest(
            timestamp=iso(time.time()),
            count=len(found.told),
            exchange=exchange,
            symbol=found.symbol,
            candle=bodies.candle(found.told[0]) if found.told else None,
            timeframe=timeframe,
        )
        return self.told(body)
