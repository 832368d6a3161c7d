"""Each socket has an id of its own, whatever its client calls itself."""

from __future__ import annotations

import json
import re

from tests.integration.cache_sockets import opened, token_of
from tests.live import LiveServer


async def test_two_sockets_of_one_client_are_told_different_ids(live_server_process: LiveServer) -> None:
    token = token_of(live_server_process)
    async with (
        opened(live_server_process, "/ws/tickers/c1", token) as one,
        opened(live_server_process, "/ws/tickers/c1", token) as other,
    ):
        ids = [each.connection.response.headers["X-Connection-ID"] for each in (one, other)]  # type: ignore[union-attr]  # it was answered
    assert all(re.fullmatch(r"c-[0-9a-f]{16}", each) for each in ids)
    assert ids[0] != ids[1]


async def test_a_native_socket_is_welcomed_by_the_id_of_its_handshake(
    live_server_process: LiveServer,
) -> None:
    async with opened(live_server_process, "//api/v1/stream", token_of(live_server_process)) as socket:
        welcome = json.loads(await socket.connection.recv())
        assert socket.connection.response is not None
        assert welcome["connection_id"] == socket.connection.response.headers["X-Connection-ID"]
