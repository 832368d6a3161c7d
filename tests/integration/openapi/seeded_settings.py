"""The project's settings with the routes that have seeded bugs."""

from fullon_master.settings import *  # noqa: F403 - all names are settings

ROOT_URLCONF = "tests.integration.openapi.seeded_urls"
