"""The ASGI application: HTTP to Django; sockets through origin check, authentication, routes, consumer."""

import os
from typing import cast

import django
from channels.routing import ProtocolTypeRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fullon_master.settings")

# Django's applications must be loaded before anything below imports a model.
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402

from accounts.body_limit import BoundedBody  # noqa: E402
from accounts.charsets import KnownCharset  # noqa: E402
from accounts.postgresql.patience import limit_waits  # noqa: E402
from cache_streams.middleware import Application, OriginMiddleware, TokenAuthMiddleware  # noqa: E402
from cache_streams.routing import websocket_routes  # noqa: E402
from cache_streams.server.forwarded import Forwarded  # noqa: E402
from cache_streams.server.lifespan import lifespan  # noqa: E402
from cache_streams.server.one_hop import OneHopHandler  # noqa: E402

limit_waits(settings.DATABASE_TIMEOUT_S)
application = Forwarded(
    cast(
        "Application",  # Channels types its router by asgiref's protocols, which are the same thing
        ProtocolTypeRouter(
            {
                "http": BoundedBody(KnownCharset(OneHopHandler())),
                "websocket": OriginMiddleware(TokenAuthMiddleware(cast("Application", websocket_routes()))),
                "lifespan": lifespan,
            }
        ),
    )
)
