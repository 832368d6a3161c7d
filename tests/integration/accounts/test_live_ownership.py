"""Who sees what on the wire: ann owns an account and a bot, bob nothing, staff see all; asked, streamed and pushed."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest
from redis import Redis

from tests.integration.wire.collector import Collector, fresh_account, fresh_name, position
from tests.integration.wire.rpc_client import Socket, connected
from tests.live import LiveServer

STAFF = 1
_PEOPLE = """
from accounts.models import Ownership, User
ids = []
for name in ("ann", "bob"):
    ids.append(User.objects.get_or_create(mail=f"{{name}}.{exchange}@fullon")[0].pk)
for kind, identifier in (("account", "{account}"), ("bot", "{bot}")):
    Ownership.objects.create(user_id=ids[0], kind=kind, identifier=identifier)
print(*ids)
"""


@dataclass(frozen=True)
class Desk:
    """What the collectors store: one account and bot of ann's, one of nobody's; orders of every kind of owner."""

    server: LiveServer
    collector: Collector
    exchange: str
    own: int
    foreign: int
    bot: str
    foreign_bot: str
    ann: int
    bob: int

    def connect(self, user_id: int, path: str, **options: str) -> AbstractAsyncContextManager[Socket]:
        return connected(self.server, path, user_id=user_id, **options)


@pytest.fixture(scope="module")
def desk(live_server_process: LiveServer) -> Desk:
    exchange, own, foreign = fresh_name("desk"), fresh_account(), fresh_account()
    bot, foreign_bot = fresh_name("bot"), fresh_name("bot")
    script = _PEOPLE.format(exchange=exchange, account=own, bot=bot)
    ann, bob = map(int, live_server_process.manage("shell", "--verbosity=0", "-c", script).split())
    collector = Collector(Redis.from_url(live_server_process.redis_url, socket_timeout=5.0))
    for number, account in enumerate((own, foreign)):
        collector.account(account, USDC={"total": 1000.0 + number, "free": 1.0, "used": 0.0})
        collector.positions(account, **{"BTC/USDC": position(0.5 + number)})
    for name in (bot, foreign_bot):
        collector.bot(name, feed={"symbol": "BTC/USDC"})
    collector.order(exchange, "of-own-account", ex_id=own, uid=bob)
    collector.order(exchange, "of-own-bot", bot_id=bot)
    collector.order(exchange, "of-ann", uid=ann)
    collector.order(exchange, "of-foreign-account", ex_id=foreign)
    collector.order(exchange, "of-staff")
    return Desk(live_server_process, collector, exchange, own, foreign, bot, foreign_bot, ann, bob)


ANNS_ORDERS = {"of-own-account", "of-own-bot", "of-ann"}
ALL_ORDERS = ANNS_ORDERS | {"of-foreign-account", "of-staff"}


def people(desk: Desk) -> dict[str, int]:
    return {"ann": desk.ann, "bob": desk.bob, "staff": STAFF}


@pytest.mark.parametrize(("who", "seen"), [("ann", ANNS_ORDERS), ("bob", set()), ("staff", ALL_ORDERS)])
async def test_orders_that_are_asked_for(desk: Desk, who: str, seen: set[str]) -> None:
    async with desk.connect(people(desk)[who], "/ws/orders/c1") as socket:
        length = await socket.result("get_queue_length", exchange=desk.exchange)
        assert length["queue_length"] == len(seen)
        for order_id in ALL_ORDERS:
            for exchange in (desk.exchange, None):
                asked = await socket.ask("get_order_status", exchange=exchange, order_id=order_id)
                assert asked["success"] is (order_id in seen), (order_id, asked)


@pytest.mark.parametrize(("who", "seen"), [("ann", 3), ("bob", 0), ("staff", 5)])
async def test_a_streamed_queue_counts_what_may_be_seen(desk: Desk, who: str, seen: int) -> None:
    async with desk.connect(people(desk)[who], "/ws/orders/c1") as socket:
        await socket.stream("stream_order_queue", exchange=desk.exchange)
        await socket.until_told(queue_length=seen)


@pytest.mark.parametrize(("who", "seen"), [("ann", ANNS_ORDERS), ("staff", ALL_ORDERS)])
async def test_pushed_orders(desk: Desk, who: str, seen: set[str]) -> None:
    async with desk.connect(people(desk)[who], f"/ws/orders/{desk.exchange}", query="&mode=push") as socket:
        pushed = {(await socket.receive())["order_id"] for _ in seen}
    assert pushed == seen


async def test_nothing_is_pushed_to_whom_nothing_belongs(desk: Desk) -> None:
    async with desk.connect(desk.bob, f"/ws/orders/{desk.exchange}", query="&mode=push") as socket:
        async with desk.connect(STAFF, f"/ws/orders/{desk.exchange}", query="&mode=push") as witness:
            for _ in ALL_ORDERS:
                await witness.receive()
            desk.collector.order(desk.exchange, "of-foreign-account", ex_id=desk.foreign, status="changed")
            await witness.until(lambda frame: frame["status"] == "changed")
        await socket.quiet()


@pytest.mark.parametrize(
    ("who", "own", "foreign"), [("ann", True, False), ("bob", False, False), ("staff", True, True)]
)
async def test_balances_and_positions_that_are_asked_for(
    desk: Desk, who: str, own: bool, foreign: bool
) -> None:
    async with desk.connect(people(desk)[who], "/ws/accounts/c1") as socket:
        for account, visible in ((desk.own, own), (desk.foreign, foreign)):
            balance = await socket.ask("get_balance", user_id=account, currency="USDC")
            balances = await socket.ask("get_balances", exchange_id=account)
            held = await socket.result("get_positions", exchange=account)
            assert (balance["success"], balances["success"], held["count"]) == (
                visible,
                visible,
                int(visible),
            )


async def test_positions_of_oneself_are_those_of_own_accounts(desk: Desk) -> None:
    async with desk.connect(desk.ann, "/ws/accounts/c1") as socket:
        held = await socket.result("get_positions", user_id=desk.ann)
        assert [shown["exchange"] for shown in held["positions"]] == [str(desk.own)]
    async with desk.connect(desk.bob, "/ws/accounts/c1") as socket:
        assert (await socket.result("get_positions", user_id=desk.ann))["count"] == 0


async def test_streamed_positions_without_an_account_are_the_own_ones(desk: Desk) -> None:
    async with desk.connect(desk.ann, "/ws/accounts/c1") as socket:
        await socket.stream("stream_positions", user_id=desk.ann)
        assert (await socket.update("position_update"))["exchange"] == str(desk.own)
        desk.collector.positions(desk.foreign, **{"BTC/USDC": position(9.0)})
        desk.collector.positions(desk.own, **{"BTC/USDC": position(8.0)})
        told = await socket.update("position_update")
        assert (told["exchange"], told["size"]) == (str(desk.own), 8.0)


@pytest.mark.parametrize(("who", "of_own"), [("ann", True), ("bob", False)])
async def test_pushed_balances(desk: Desk, who: str, of_own: bool) -> None:
    async with desk.connect(people(desk)[who], f"/ws/balances/{desk.own}") as socket:
        if of_own:
            assert (await socket.receive())["USDC"]["total"] == 1000.0
        else:
            await socket.quiet()


@pytest.mark.parametrize(
    ("who", "own", "foreign"), [("ann", True, False), ("bob", False, False), ("staff", True, True)]
)
async def test_bots(desk: Desk, who: str, own: bool, foreign: bool) -> None:
    async with desk.connect(people(desk)[who], "/ws/bots/c1") as socket:
        listed = json.dumps(await socket.result("get_bots"))
        assert (desk.bot in listed, desk.foreign_bot in listed) == (own, foreign)
        for bot, visible in ((desk.bot, own), (desk.foreign_bot, foreign)):
            assert (await socket.ask("get_bot_status", bot_id=bot))["success"] is visible
        await socket.stream("stream_bot_status")
        streamed = json.dumps(await socket.receive())
        assert (desk.bot in streamed, desk.foreign_bot in streamed) == (own, foreign)


@pytest.mark.parametrize(
    ("path", "action", "theirs", "unknown"),
    [
        ("/ws/orders/c1", "get_order_status", {"order_id": "of-foreign-account"}, {"order_id": "nowhere"}),
        ("/ws/accounts/c1", "get_balances", {"exchange_id": "foreign"}, {"exchange_id": 10**12}),
        ("/ws/bots/c1", "get_bot_status", {"bot_id": "foreign_bot"}, {"bot_id": "nowhere"}),
    ],
)
async def test_not_yours_and_does_not_exist_are_answered_alike(
    desk: Desk, path: str, action: str, theirs: dict[str, object], unknown: dict[str, object]
) -> None:
    named = {name: getattr(desk, str(value), value) for name, value in theirs.items()}
    async with desk.connect(desk.ann, path) as socket:
        answers = [await socket.ask(action, **params) for params in (named, unknown)]
    assert answers[0] == answers[1]
    assert answers[0]["success"] is False


@pytest.mark.parametrize(("who", "seen"), [("ann", False), ("staff", True)])
async def test_processes_are_for_staff(desk: Desk, who: str, seen: bool) -> None:
    name = fresh_name("component")
    desk.collector.process("bot", name)
    async with desk.connect(people(desk)[who], "/ws/process/c1") as socket:
        assert (name in json.dumps(await socket.result("get_active_processes"))) is seen
