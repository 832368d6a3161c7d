"""Browsers on the cache's sockets: they see no HTTP status, so they are told in a frame; foreign pages never get in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.integration.cache_sockets import (
    INVALID,
    PLAIN,
    base64url,
    closed,
    detail,
    opened,
    refusal,
    token_of,
)
from tests.integration.wire.rpc_client import Frame
from tests.live import LiveServer


class TestBrowsers:
    @asynccontextmanager
    async def refused(
        self, server: LiveServer, **carriers: Any
    ) -> AsyncIterator[Frame]:  # Any: what `opened` takes
        """Yield the one frame that a browser gets before the close."""
        async with opened(server, "/ws/tickers/c1", **carriers) as socket:
            yield await socket.receive()
            code, reason = await closed(socket)
            assert (code, reason) in {(1008, "auth_invalid"), (1008, "auth_missing"), (1008, "auth_conflict")}

    async def test_a_page_with_a_bad_token_is_told_why_and_closed(
        self, live_server_process: LiveServer
    ) -> None:
        async with self.refused(
            live_server_process, token="aa.bb.cc", origin=live_server_process.url
        ) as frame:
            assert (frame["type"], frame["success"]) == ("error", False)
            assert (frame["error_code"], frame["error"]) == ("AUTH_INVALID", INVALID)

    async def test_a_page_without_a_token_is_told_so(self, live_server_process: LiveServer) -> None:
        async with self.refused(live_server_process, origin=live_server_process.url) as frame:
            assert frame["error_code"] == "AUTH_MISSING"

    async def test_who_offers_a_subprotocol_is_told_why_and_never_gets_the_token_back(
        self, live_server_process: LiveServer
    ) -> None:
        protocols = ["jwt-auth", f"jwt.{base64url(token_of(live_server_process, 999_999_999))}"]
        async with opened(live_server_process, "/ws", protocols=protocols) as socket:
            assert (await socket.receive())["error_code"] == "AUTH_INVALID"
            assert socket.connection.subprotocol == "jwt-auth"
            assert await closed(socket) == (1008, "auth_invalid")

    async def test_a_page_with_two_tokens_is_told_that_they_conflict(
        self, live_server_process: LiveServer
    ) -> None:
        admin, plain = token_of(live_server_process), token_of(live_server_process, PLAIN)
        async with self.refused(
            live_server_process, token=admin, bearer=plain, origin=live_server_process.url
        ) as frame:
            assert frame["error_code"] == "AUTH_CONFLICT"

    async def test_a_page_of_the_gateway_itself_gets_in(self, live_server_process: LiveServer) -> None:
        token = token_of(live_server_process)
        async with opened(
            live_server_process, "/ws/tickers/c1", token, origin=live_server_process.url
        ) as socket:
            assert await socket.result("ping") == {"status": "ok"}

    async def test_a_page_of_a_listed_origin_gets_in(self, open_server: LiveServer) -> None:
        bearer = token_of(open_server)
        async with opened(
            open_server, "/ws/tickers/c1", bearer=bearer, origin="https://desk.example"
        ) as socket:
            assert await socket.result("ping") == {"status": "ok"}

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "null", "https://desk.example.evil", "http://localhost"]
    )
    async def test_a_foreign_page_is_refused_with_403_even_with_a_good_token(
        self, live_server_process: LiveServer, open_server: LiveServer, origin: str
    ) -> None:
        for server in (live_server_process, open_server):
            response = await refusal(server, "/ws", bearer=token_of(server), origin=origin)
            assert detail(response) == (403, "Forbidden")

    async def test_a_subprotocol_that_nobody_speaks_is_refused_with_403(
        self, live_server_process: LiveServer
    ) -> None:
        response = await refusal(
            live_server_process, "/ws", token_of(live_server_process), protocols=["chat"]
        )
        assert detail(response) == (403, "Forbidden")
