"""One path with two meanings: an RPC socket for who speaks or says so, a push socket for who is silent on an exchange."""

import pytest

from tests.integration.wire.collector import Collector, fresh_name
from tests.integration.wire.rpc_client import Connect


async def test_silence_on_the_name_of_an_exchange_is_answered_with_its_orders(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1")
    async with connect(f"/ws/orders/{exchange}") as socket:
        assert (await socket.receive())["order_id"] == "O1"
        collector.order(exchange, "O2")
        assert (await socket.receive())["order_id"] == "O2"


async def test_an_exchange_is_known_by_its_tickers_too(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, "BTC/USDC")
    async with (
        connect(f"/ws/orders/{exchange}") as socket,
        connect(f"/ws/orders/{exchange}", query="&mode=push") as witness,
    ):
        collector.order(exchange, "O1")
        assert (await witness.receive())["order_id"] == "O1"
        assert (await socket.receive())["order_id"] == "O1"


@pytest.mark.parametrize("how", ["mode=rpc", "speaks"])
async def test_who_asks_for_rpc_or_speaks_first_is_never_pushed(
    connect: Connect, collector: Collector, how: str
) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1")
    query = "&mode=rpc" if how == "mode=rpc" else ""
    async with connect(f"/ws/orders/{exchange}", query=query) as socket:
        if how == "speaks":
            await socket.quiet()
        async with connect(f"/ws/orders/{exchange}") as witness:  # opened later, it is pushed later
            assert (await witness.receive())["order_id"] == "O1"
            collector.order(exchange, "O2")
            assert (await witness.receive())["order_id"] == "O2"
            await socket.quiet()


async def test_mode_push_needs_no_known_exchange(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    async with connect(f"/ws/orders/{exchange}", query="&mode=push") as socket:
        collector.order(exchange, "O1")
        assert (await socket.receive())["order_id"] == "O1"


async def test_who_speaks_later_is_answered_and_pushed_no_more(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1")
    async with connect(f"/ws/orders/{exchange}") as socket, connect(f"/ws/orders/{exchange}") as witness:
        assert (await socket.receive())["order_id"] == "O1"
        assert (await witness.receive())["order_id"] == "O1"
        order = await socket.result("get_order_status", exchange=exchange, order_id="O1")
        assert order["order_id"] == "O1"
        collector.order(exchange, "O2")
        assert (await witness.receive())["order_id"] == "O2"
        await socket.quiet()


async def test_a_malformed_frame_is_speaking_too(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1")
    async with connect(f"/ws/orders/{exchange}") as socket:
        await socket.send_raw("{")
        assert (await socket.receive())["error_code"] == "MALFORMED_MESSAGE"
        async with connect(f"/ws/orders/{exchange}") as witness:
            assert (await witness.receive())["order_id"] == "O1"
            await socket.quiet()


async def test_silence_on_a_name_that_is_no_exchange_is_answered_with_silence(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1")
    async with (
        connect(f"/ws/orders/{fresh_name('c')}") as socket,
        connect(f"/ws/orders/{exchange}") as witness,
    ):
        assert (await witness.receive())["order_id"] == "O1"
        await socket.quiet()


async def test_another_users_orders_are_pushed_to_staff_only(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1", ex_id=1)
    async with (
        connect(f"/ws/orders/{exchange}", user_id=2, query="&mode=push") as plain,
        connect(f"/ws/orders/{exchange}", query="&mode=push") as staff,
    ):
        assert (await staff.receive())["order_id"] == "O1"
        collector.order(exchange, "O2", ex_id=1)
        assert (await staff.receive())["order_id"] == "O2"
        await plain.quiet()
