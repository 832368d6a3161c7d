"""The ASGI application: HTTP to Django, and the lifespan of the worker."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

from cache_streams.server.lifespan import lifespan

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fullon_master.settings")

application = ProtocolTypeRouter({"http": get_asgi_application(), "lifespan": lifespan})
