"""The ASGI application of the plain application."""

from typing import Any

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

django.setup()

from benchmarks.peers.plain_channels.consumers import MarketConsumer  # noqa: E402  # after the settings

_market: Any = (
    MarketConsumer.as_asgi()
)  # Any: django-stubs types path() for views, Channels passes applications
application = ProtocolTypeRouter({"websocket": URLRouter([path("ws/<str:market>/", _market)])})
