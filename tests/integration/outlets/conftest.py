"""The shared server of these tests offers no frame sink."""

from collections.abc import Iterator

import pytest

from tests.live import LiveServer, live_server


@pytest.fixture(scope="package")
def live_server_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway whose every socket is fed through plain ASGI; else as the one that all tests share."""
    with live_server(
        tmp_path_factory.mktemp("plain"), DJANGO_SETTINGS_MODULE="tests.integration.outlets.plain_settings"
    ) as server:
        yield server
