"""Requests for which markets there are: those that have a ticker in the cache."""

from __future__ import annotations

import time

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from cache_streams.rest import market_answers as bodies
from cache_streams.rest import market_queries as asked
from cache_streams.rest import markets
from cache_streams.rest.loop import answer
from cache_streams.rest.market_queries import iso
from cache_streams.rest.market_views import TAG, MarketView

SEARCH = "q"
SEARCH_CHARACTERS_MAX = 64


class ExchangesView(MarketView):
    """``/ohlcv/exchanges``."""

    @extend_schema(
        operation_id="ohlcv_exchanges",
        summary="Exchanges that have tickers",
        tags=[TAG],
        responses={200: bodies.reference(bodies.Names)},
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer their names, in order."""
        names = answer(markets.exchanges())
        return self.told(bodies.Names(timestamp=iso(time.time()), count=len(names), exchanges=names))


class SymbolsView(MarketView):
    """``/ohlcv/exchanges/{exchange}/symbols``."""

    @extend_schema(
        operation_id="ohlcv_symbols",
        summary="Symbols of an exchange that have tickers",
        tags=[TAG],
        responses={200: bodies.reference(bodies.Names)},
    )
    def get(self, request: Request, exchange: str) -> HttpResponse:
        """Answer them in order; 404 for an exchange without any."""
        asked.market_names(exchange, exchange)
        names = answer(markets.symbols(exchange))
        if not names:
            raise NotFound
        return self.told(bodies.Names(timestamp=iso(time.time()), count=len(names), symbols=names))


class SearchView(MarketView):
    """``/ohlcv/symbols/search``."""

    @extend_schema(
        operation_id="ohlcv_symbols_search",
        summary="Symbols of all exchanges that hold a text",
        tags=[TAG],
        parameters=[
            OpenApiParameter(
                SEARCH, {"type": "string", "minLength": 1, "maxLength": SEARCH_CHARACTERS_MAX}, required=True
            )
        ],
        responses={200: bodies.reference(bodies.Names)},
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer them in order, whatever the letter case; each once."""
        query = request.query_params.dict()
        asked.only(query, SEARCH)
        text = query.get(SEARCH, "")
        if not 1 <= len(text) <= SEARCH_CHARACTERS_MAX:
            asked.refuse(SEARCH, f"{SEARCH} is a text of 1 to {SEARCH_CHARACTERS_MAX} characters.")
        names = answer(markets.symbols(None, text))
        return self.told(bodies.Names(timestamp=iso(time.time()), count=len(names), symbols=names))
