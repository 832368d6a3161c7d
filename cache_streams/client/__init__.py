"""Client of the gateway's ``/api/v1/stream``: many subscriptions on one socket that comes back by itself.

``async with connect(url, token=…) as gateway: async for tick in gateway.tickers("kraken", "BTC/USDC"): …``
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable

from cache_streams.client.backoff import Pauses, Random
from cache_streams.client.blocking import BlockingGateway, BlockingSubscription
from cache_streams.client.buffers import Policy
from cache_streams.client.connection import Manner, State
from cache_streams.client.credentials import Credentials, Provider
from cache_streams.client.errors import (
    BufferOverflow,
    ClientError,
    ConnectionLost,
    GatewayClosed,
    NotAuthorized,
    RequestRefused,
    RestFailed,
)
from cache_streams.client.following import Begun
from cache_streams.client.gateway import Gateway
from cache_streams.client.messages import Deleted, Message
from cache_streams.client.subscription import Subscription
from cache_streams.protocol.native.frames import Status

__all__ = [
    "Begun",
    "BlockingGateway",
    "BlockingSubscription",
    "BufferOverflow",
    "ClientError",
    "ConnectionLost",
    "Deleted",
    "Gateway",
    "GatewayClosed",
    "Message",
    "NotAuthorized",
    "Pauses",
    "Policy",
    "RequestRefused",
    "RestFailed",
    "State",
    "Status",
    "Subscription",
    "connect",
]


def _ignore(_told: object) -> None:
    pass


def connect(
    url: str,
    *,
    token: Provider | None = None,
    api_key: Provider | None = None,
    connect_timeout_s: float | None = 30.0,
    pauses: Pauses | None = None,
    random: Random = _random.random,
    on_state: Callable[[State], None] = _ignore,
    on_status: Callable[[Status], None] = _ignore,
) -> Gateway:
    """Return a gateway to open with ``async with``; ``url`` is its address as in a browser, or that of the stream.

    ``token`` or ``api_key`` is a text, or a function (asynchronous or not) that is called for each connection. The first
    connection must succeed within ``connect_timeout_s`` (None: however long it takes); later ones are retried for ever,
    with ``pauses``. ``on_state`` is told what the connection does, ``on_status`` what the server says about sources.
    Raises: ValueError for a bad address or none of both credentials.
    """
    manner = Manner(pauses=pauses or Pauses(), random=random, on_state=on_state)
    return Gateway(
        url,
        Credentials(token, api_key),
        manner,
        connect_timeout_s=connect_timeout_s,
        on_status=on_status,
    )
