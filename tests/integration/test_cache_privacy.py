"""Who sees what: markets are for every user, accounts and what belongs to them for staff, unless all is declared open."""

from __future__ import annotations

import json

import pytest

from tests.integration.cache_sockets import PLAIN, opened, token_of
from tests.integration.wire.collector import Collector, fresh_account, fresh_name, position
from tests.integration.wire.rpc_client import Socket
from tests.live import LiveServer


class TestPrivacy:
    def write(self, collector: Collector) -> tuple[str, int, str]:
        exchange, account, bot = fresh_name(), fresh_account(), fresh_name("bot")
        collector.tick(exchange, "BTC/USDC", price=6.5)
        collector.order(exchange, "O1")
        collector.account(account, USDT={"total": 5.0, "free": 5.0, "used": 0.0})
        collector.positions(account, **{"BTC/USDC": position(0.5)})
        collector.bot(bot, feed_1={"status": "running"})
        return exchange, account, bot

    async def seen(self, socket: Socket, exchange: str, account: int, bot: str) -> dict[str, object]:
        """Return what the user of a base socket sees of everything private."""
        bots = await socket.result("get_bots")
        positions = await socket.result("get_positions", exchange=account)
        return {
            "order": (await socket.ask("get_order_status", exchange=exchange, order_id="O1"))["success"],
            "queue": (await socket.result("get_queue_length", exchange=exchange))["queue_length"],
            "balance": (await socket.ask("get_balance", user_id=account, currency="USDT"))["success"],
            "positions": positions["count"],
            "bot": bot in bots["bots"],
            "bot status": (await socket.ask("get_bot_status", bot_id=bot))["success"],
        }

    ALL = {"order": True, "queue": 1, "balance": True, "positions": 1, "bot": True, "bot status": True}
    NOTHING = {
        "order": False,
        "queue": 0,
        "balance": False,
        "positions": 0,
        "bot": False,
        "bot status": False,
    }

    async def test_staff_sees_everything_and_a_plain_user_nothing_private(
        self, live_server_process: LiveServer, collector: Collector
    ) -> None:
        names = self.write(collector)
        async with opened(live_server_process, "/ws", token_of(live_server_process)) as staff:
            assert await self.seen(staff, *names) == self.ALL
        async with opened(live_server_process, "/ws", token_of(live_server_process, PLAIN)) as plain:
            assert await self.seen(plain, *names) == self.NOTHING

    async def test_a_plain_user_sees_the_markets(
        self, live_server_process: LiveServer, collector: Collector
    ) -> None:
        exchange, _, _ = self.write(collector)
        token = token_of(live_server_process, PLAIN)
        async with opened(live_server_process, f"/ws/tickers/{exchange}/BTC/USDC", token) as socket:
            assert (await socket.receive())["price"] == 6.5

    async def test_an_open_deployment_shows_a_plain_user_everything(
        self, open_server: LiveServer, open_collector: Collector
    ) -> None:
        names = self.write(open_collector)
        async with opened(open_server, "/ws", bearer=token_of(open_server, PLAIN)) as plain:
            assert await self.seen(plain, *names) == self.ALL

    @pytest.mark.parametrize("path", ["/ws/balances/{account}", "/ws/orders/{exchange}"])
    async def test_a_plain_user_is_pushed_nothing_private(
        self, live_server_process: LiveServer, collector: Collector, path: str
    ) -> None:
        exchange, account, _ = self.write(collector)
        path = path.format(exchange=exchange, account=account)
        admin, plain = token_of(live_server_process), token_of(live_server_process, PLAIN)
        async with (
            opened(live_server_process, path, plain) as shut_out,
            opened(live_server_process, path, admin) as staff,
        ):
            await staff.receive()  # the state; now both have joined, or never will
            collector.order(exchange, "O2")
            collector.account(account, USDT={"total": 6.0, "free": 6.0, "used": 0.0})
            await staff.receive()
            await shut_out.quiet()

    async def test_streams_of_a_plain_user_confirm_and_then_show_nothing_private(
        self, live_server_process: LiveServer, collector: Collector
    ) -> None:
        exchange, account, bot = self.write(collector)
        async with opened(live_server_process, "/ws", token_of(live_server_process, PLAIN)) as socket:
            await socket.stream("stream_balances", "b", exchange_id=account)
            await socket.stream("stream_positions", "p", exchange=account)
            collector.account(account, USDT={"total": 7.0, "free": 7.0, "used": 0.0})
            async with opened(live_server_process, "/ws", token_of(live_server_process)) as staff:
                await staff.stream("stream_balances", exchange_id=account)
                await staff.until(lambda frame: "7.0" in json.dumps(frame))  # the relay has carried it
            await socket.quiet()
            await socket.stream("stream_bot_status", "s")
            assert bot not in (await socket.update("bot_update", "s"))["bots"]
            await socket.stream("stream_order_queue", "q", exchange=exchange)
            assert (await socket.update("queue_update", "q"))["queue_length"] == 0
