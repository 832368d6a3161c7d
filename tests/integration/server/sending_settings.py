"""The project's settings, with one view more."""

from fullon_master.settings import *  # noqa: F403 - all names are settings

ROOT_URLCONF = "tests.integration.server.sending_urls"
