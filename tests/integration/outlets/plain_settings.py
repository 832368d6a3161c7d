"""The project's settings, on a server that seems to have no frame sink."""

from fullon_master.settings import *  # noqa: F403 - all names are settings

ASGI_APPLICATION = "tests.integration.outlets.plain_asgi.application"
