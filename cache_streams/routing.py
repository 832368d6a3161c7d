"""Which path leads to which consumer; every other path is refused politely."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from channels.routing import URLRouter
from django.conf import settings
from django.urls import re_path

from cache_streams.consumers.accounts import AccountsConsumer, BalancesConsumer
from cache_streams.consumers.agents import AgentsConsumer
from cache_streams.consumers.base import BaseConsumer
from cache_streams.consumers.bots import BotsConsumer
from cache_streams.consumers.declared import declared_consumer, declared_pattern
from cache_streams.consumers.native import NativeConsumer
from cache_streams.consumers.ohlcv import OhlcvConsumer
from cache_streams.consumers.orders import OrdersConsumer
from cache_streams.consumers.process import ProcessConsumer
from cache_streams.consumers.rpc import RpcConsumer
from cache_streams.consumers.tickers import TickersConsumer
from cache_streams.consumers.trades import TradesConsumer
from cache_streams.middleware import AGENTS_PATH, Message, Receive, Send, refuse
from cache_streams.streams import REGISTRY
from cache_streams.streams.agents import AGENTS
from cache_streams.streams.declaration import Stream

PREFIX = "api/v1/cache/"
NATIVE = r"^api/v1/stream/?$"

DOMAINS: tuple[type[RpcConsumer], ...] = (
    TickersConsumer,
    OrdersConsumer,
    TradesConsumer,
    AccountsConsumer,
    BotsConsumer,
    OhlcvConsumer,
    ProcessConsumer,
)


async def unknown_path(scope: Message, receive: Receive, send: Send) -> None:
    """Refuse the handshake with 404."""
    await refuse(scope, receive, send, "NOT_FOUND")


def _route(
    pattern: str, application: Any
) -> Any:  # Any: django-stubs types re_path for HTTP views; Channels passes ASGI applications
    return re_path(pattern, cast("Any", application))


def _family(prefix: str, registry: Sequence[Stream]) -> list[Any]:  # Any: as above
    """Return the routes of the RPC and push families below ``prefix``, and of every stream that they leave out."""
    routes = [_route(rf"^{prefix}ws/?$", BaseConsumer.as_asgi())]
    for consumer in DOMAINS:
        application = consumer.as_asgi()
        routes.append(_route(rf"^{prefix}ws/{consumer.domain}/?$", application))
        routes.append(_route(rf"^{prefix}ws/{consumer.domain}/(?P<connection_id>[^/]+)/?$", application))
        if hasattr(consumer, "push"):
            market = r"(?P<exchange>[^/]+)/(?P<symbol>.+)"
            routes.append(_route(rf"^{prefix}ws/{consumer.domain}/{market}$", application))
    routes.append(_route(rf"^{prefix}ws/balances/(?P<connection_id>[^/]+)/?$", BalancesConsumer.as_asgi()))
    served = {AGENTS.name, *(consumer.domain for consumer in DOMAINS)}
    routes += [
        _route(rf"^{prefix}{declared_pattern(stream)}", declared_consumer(stream).as_asgi())
        for stream in registry
        if stream.name not in served
    ]
    return routes


def websocket_routes(registry: Sequence[Stream] = REGISTRY) -> URLRouter:
    """Return every route of a socket; the root mount is the one that a deployment may switch on."""
    agents = AgentsConsumer.as_asgi()
    routes = [
        _route(NATIVE, NativeConsumer.as_asgi()),
        _route(f"^{AGENTS_PATH}$", agents),
        *(_route(rf"^{re.escape(path[1:])}/?$", agents) for path in settings.AGENTS_ALIAS_PATHS),
        *_family(PREFIX, registry),
    ]
    if settings.ROOT_MOUNT:
        routes += _family("", registry)
    return URLRouter([*routes, _route(r"", unknown_path)])
