"""The project's settings, with the echo route before its application."""

from fullon_master.settings import *  # noqa: F403 - all names are settings

ASGI_APPLICATION = "tests.integration.autobahn.echo_asgi.application"
