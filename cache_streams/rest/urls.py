"""HTTP routes of the cache: those of every stream in the registry, from its declaration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.conf import settings
from django.urls import URLPattern, path

from accounts.routes import both_forms
from cache_streams.protocol.native.keys import request_fields
from cache_streams.rest import market_catalogue, market_views
from cache_streams.rest.connection_endings import EndingView
from cache_streams.rest.documented import key_view, list_view
from cache_streams.streams import REGISTRY
from cache_streams.streams.declaration import Stream

_API = settings.API_PREFIX.strip("/")
_CACHE, _OHLCV = f"{_API}/cache", f"{_API}/ohlcv"
_MARKET = "<str:exchange>/<path:symbol>"
_SPREADING = "symbol"
"""The field whose values hold slashes; without it the last one may."""


def cache_routes(registry: Sequence[Stream] = REGISTRY) -> list[URLPattern]:
    """Return the routes of every stream of ``registry``."""
    return [route for stream in registry for route in _routes(stream)]


def _routes(stream: Stream) -> Iterator[URLPattern]:
    fields = request_fields(stream)
    spreading = fields.index(_SPREADING) if _SPREADING in fields else len(fields) - 1
    route = f"{_CACHE}/{stream.name}"
    yield from both_forms(route, list_view(stream, 0), f"cache-{stream.name}")
    # A field after one that holds slashes ends the path: what comes before it alone could mean either.
    for depth in range(1, len(fields)) if spreading == len(fields) - 1 else ():
        beginning = "".join(f"/<str:{field}>" for field in fields[:depth])
        yield from both_forms(f"{route}{beginning}", list_view(stream, depth), f"cache-{stream.name}-{depth}")
    whole = "".join(f"/<{'path' if at == spreading else 'str'}:{field}>" for at, field in enumerate(fields))
    yield path(f"{route}{whole}", key_view(stream).as_view(), name=f"cache-{stream.name}-key")


# The longer ones first: a symbol holds slashes itself.
_market_routes = [
    *both_forms(f"{_OHLCV}/timeseries/{_MARKET}/ohlcv", market_views.SeriesView, "ohlcv-timeseries"),
    *both_forms(
        f"{_OHLCV}/candles/{_MARKET}/<str:timeframe>/range",
        market_views.CandleRangeView,
        "ohlcv-candles-range",
    ),
    *both_forms(f"{_OHLCV}/candles/{_MARKET}/<str:timeframe>", market_views.CandlesView, "ohlcv-candles"),
    *both_forms(f"{_OHLCV}/trades/{_MARKET}/range", market_views.TradeRangeView, "ohlcv-trades-range"),
    *both_forms(f"{_OHLCV}/trades/{_MARKET}", market_views.TradesView, "ohlcv-trades"),
    *both_forms(f"{_OHLCV}/exchanges", market_catalogue.ExchangesView, "ohlcv-exchanges"),
    *both_forms(f"{_OHLCV}/exchanges/<str:exchange>/symbols", market_catalogue.SymbolsView, "ohlcv-symbols"),
    *both_forms(f"{_OHLCV}/symbols/search", market_catalogue.SearchView, "ohlcv-search"),
    path(f"{_OHLCV}/<str:exchange>/<path:rest>", market_views.OlderView.as_view()),
]
_ending_routes = both_forms(f"{_API}/connections/<str:connection_id>/ending", EndingView, "connection-ending")
urlpatterns = [*_ending_routes, *cache_routes(), *_market_routes]
