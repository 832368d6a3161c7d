"""The token of an open socket: refreshed on it, running out, and opening less than before."""

from __future__ import annotations

import asyncio
import itertools
import time

from websockets.exceptions import ConnectionClosed

from tests.integration.cache_sockets import closed, in_shell, new_user, token_of
from tests.integration.native.client import PLAIN
from tests.integration.native.conftest import Open
from tests.integration.wire.collector import Collector, fresh_account, fresh_name
from tests.live import LiveServer


async def test_a_fresh_token_moves_the_end(live_server_process: LiveServer, native: Open) -> None:
    soon, later = int(time.time()) + 2, int(time.time()) + 900
    async with native(exp=soon) as socket:
        assert socket.welcome["token_expires_at"] == soon
        assert (await socket.told(type="token_expiring"))["expires_at"] == soon
        fresh = token_of(live_server_process, exp=later)
        assert (await socket.done("token", token=fresh))["token_expires_at"] == later
        await asyncio.sleep(soon + 0.5 - time.time())
        await socket.done("ping")


async def test_a_token_that_runs_out_ends_the_socket_and_says_so(native: Open) -> None:
    async with native(exp=int(time.time()) + 2) as socket:
        told = await socket.told(type="error")
        assert (told["error_code"], told["retryable"]) == ("TOKEN_EXPIRED", False)
        assert await closed(socket) == (1008, "token_expired")


async def test_a_bad_token_changes_nothing(live_server_process: LiveServer, native: Open) -> None:
    async with native() as socket:
        for bad in ("nonsense", token_of(live_server_process, exp=1), token_of(live_server_process, 999_999)):
            ack = await socket.refused("token", token=bad)
            assert ack["error_code"] == "AUTH_INVALID"
            assert bad not in ack["error"]
        await socket.done("ping")


async def test_a_token_of_another_user_is_refused(live_server_process: LiveServer, native: Open) -> None:
    async with native() as socket:
        ack = await socket.refused("token", token=token_of(live_server_process, PLAIN))
        assert ack["error_code"] == "AUTH_CONFLICT"


async def test_rights_that_were_lost_end_their_subscriptions_at_the_refresh(
    live_server_process: LiveServer, native: Open, collector: Collector
) -> None:
    for attempt in itertools.count(1):
        try:
            await lose_rights_and_refresh(live_server_process, native)
        except ConnectionClosed as ended:  # the look at all users, each 30 s, came before the refresh
            if ended.rcvd is None or ended.rcvd.reason != "forbidden" or attempt > 3:
                raise
        else:
            return


async def lose_rights_and_refresh(live_server_process: LiveServer, native: Open) -> None:
    kept, lost, exchange = fresh_account(), fresh_account(), fresh_name()
    user = await new_user(live_server_process)
    own = "from accounts.models import Ownership; "
    for account in (kept, lost):
        own += f"Ownership.objects.create(user_id={user}, kind='account', identifier='{account}'); "
    await in_shell(live_server_process, own)
    async with native(user) as socket:
        subs = {
            name: (await socket.subscribe(stream, **asked))["sub"]
            for name, stream, asked in (
                ("market", "tickers", {"exchange": exchange, "symbol": "A/B"}),
                ("kept", "accounts", {"account": str(kept)}),
                ("lost", "accounts", {"account": str(lost)}),
                ("every", "positions", {"account": "*"}),
            )
        }
        # Without news: as if the refresh came before them.
        await in_shell(
            live_server_process,
            "from accounts.models import Ownership; from django.db.models import QuerySet; "
            f"q = Ownership.objects.filter(identifier='{lost}'); q._raw_delete(q.db)",
        )
        fresh = token_of(live_server_process, user)
        deadline = time.monotonic() + 15.0  # rights are kept in mind for some seconds
        while not (ack := await socket.done("token", token=fresh))["subscriptions"]:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.3)
        assert {each["sub"] for each in ack["subscriptions"]} == {subs["lost"], subs["every"]}
        left = {each["sub"] for each in (await socket.done("list"))["subscriptions"]}
        assert left == {subs["market"], subs["kept"]}
        assert (await socket.refused("subscribe", stream="accounts", account=str(lost)))[
            "error_code"
        ] == "FORBIDDEN"
