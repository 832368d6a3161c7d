"""Contents that are replaced under an open subscription: what is no more is taken back, and what is lost is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from cache_streams.connections import ask
from cache_streams.layers import LoopLayer
from cache_streams.metrics import NEW_EPOCHS
from cache_streams.protocol.native.rendition import NativeRendition
from cache_streams.protocol.rendition import Rendition
from cache_streams.protocol.rpc.renditions import BALANCE_UPDATES
from cache_streams.relay.leader import Relay
from cache_streams.relay.run import configured_relay
from cache_streams.streams import by_name
from cache_streams.streams.declaration import Mode
from cache_streams.subscription import Subscription
from tests.recording import RecordingOutlet

DEADLINE_S = 60.0
OF_RELAY = "gw:{relay}*"

Frame = dict[str, Any]  # Any: JSON of a frame


@asynccontextmanager
async def leading(relay: Relay | None = None) -> AsyncIterator[Relay]:
    """Run a relay that knows nothing of those before it, or ``relay``, which may have led before."""
    relay = relay or configured_relay()
    task = asyncio.create_task(relay.run())
    async with asyncio.timeout(DEADLINE_S):
        await relay.leading.wait()
    yield relay
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Told:
    """A subscription to every key of one log, and what its socket was told."""

    def __init__(
        self,
        layer: LoopLayer,
        stream: str,
        partition: str,
        rendition: Rendition | None = None,
        **options: Any,
    ) -> None:  # Any: of Subscription
        declared = by_name[stream]
        self.outlet = RecordingOutlet()
        self.subscription: Subscription = layer.subscription(
            self.outlet, declared, [(partition, ())], rendition or NativeRendition(declared, 1), **options
        )
        self.subscription.start()

    async def until(self, condition: Callable[[list[Frame]], object]) -> list[Frame]:
        """Return every frame once ``condition`` holds for them."""
        frames = await self.outlet.until(
            lambda frames: condition([json.loads(each) for each in frames]), DEADLINE_S
        )
        return [json.loads(frame) for frame in frames]

    async def until_state(self, state: dict[str, Any]) -> list[Frame]:  # Any: data of whichever stream
        """Return every frame once applying them makes ``state``."""
        return await self.until(lambda frames: applied(frames) == state)


def applied(frames: list[Frame]) -> dict[str, Any]:  # Any: as above
    """Return what a client of single values knows: price, or null, by key."""
    return {frame["key"]: frame["data"] and frame["data"]["price"] for frame in frames}


async def tick(redis: Redis, **prices: float) -> None:
    for symbol, price in prices.items():
        await ask(redis, "HSET", "tickers:kraken", symbol, json.dumps({"price": price, "time": 1.0}))


async def kept(redis: Redis) -> dict[bytes, bytes]:
    """Return everything that Redis holds but who leads, as it dumps it."""
    names = set(await ask(redis, "KEYS", "*")) - set(await ask(redis, "KEYS", OF_RELAY))
    return {name: await ask(redis, "DUMP", name) for name in names}


async def put_back(redis: Redis, data: dict[bytes, bytes]) -> None:
    await ask(redis, "FLUSHALL")
    for name, dump in data.items():
        await ask(redis, "RESTORE", name, 0, dump)


@pytest.mark.parametrize("mode", [Mode.EVERY, Mode.LATEST, Mode.SAMPLE])
async def test_a_key_that_the_new_contents_do_not_hold_is_told_as_null(
    redis: Redis, layer: LoopLayer, mode: Mode
) -> None:
    async with leading():
        await tick(redis, A=1.0, B=1.0)
        told = Told(layer, "tickers", "kraken", mode=mode, interval_s=0.05)
        await told.until_state({"kraken:A": 1.0, "kraken:B": 1.0})
        await ask(redis, "FLUSHALL")
        await tick(redis, B=2.0)
        frames = await told.until_state({"kraken:A": None, "kraken:B": 2.0})
    (taken_back,) = [frame for frame in frames if frame["key"] == "kraken:A" and frame["data"] is None]
    assert (taken_back["type"], taken_back["seq"]) == ("snapshot", 0)
    await told.subscription.stop()


async def test_a_key_is_taken_back_also_from_a_socket_that_slept_through_two_epochs(
    redis: Redis, layer: LoopLayer
) -> None:
    async with leading():
        await tick(redis, A=1.0)
        told = Told(layer, "tickers", "kraken")
        await told.until_state({"kraken:A": 1.0})
        told.outlet.fill()
        for price in (2.0, 3.0):
            await ask(redis, "FLUSHALL")
            await tick(redis, B=price)
            awake = Told(layer, "tickers", "kraken")
            await awake.until(lambda frames, price=price: applied(frames).get("kraken:B") == price)  # type: ignore[misc]  # mypy infers no lambda with a default
            await awake.subscription.stop()
        told.outlet.drain()
        await told.until_state({"kraken:A": None, "kraken:B": 3.0})
    await told.subscription.stop()


async def test_who_joins_after_the_epoch_is_not_told_of_what_was_before(
    redis: Redis, layer: LoopLayer
) -> None:
    async with leading():
        await tick(redis, A=1.0)
        told = Told(layer, "tickers", "kraken")
        await told.until_state({"kraken:A": 1.0})
        await ask(redis, "FLUSHALL")
        await tick(redis, B=2.0)
        await told.until_state({"kraken:A": None, "kraken:B": 2.0})
        late = Told(layer, "tickers", "kraken")
        frames = await late.until(bool)
    assert {frame["key"] for frame in frames} == {"kraken:B"}
    for each in (told, late):
        await each.subscription.stop()


async def test_an_account_that_is_no_more_is_told_by_the_family_that_has_words_for_it(
    redis: Redis, layer: LoopLayer
) -> None:
    held = json.dumps({"USDT": {"total": 1.0, "free": 1.0, "used": 0.0}})
    async with leading():
        await ask(redis, "HSET", "accounts", "5", held)
        shard = await partition_of_log(redis, "accounts")
        told = Told(layer, "accounts", shard, BALANCE_UPDATES)
        await told.outlet.until(bool, DEADLINE_S)
        await ask(redis, "FLUSHALL")
        await told.outlet.until(lambda frames: len(frames) > 1, DEADLINE_S)
    assert [b'"USDT"' in frame for frame in told.outlet.frames] == [True, False]
    assert b'"balances":{}' in told.outlet.frames[-1]
    await told.subscription.stop()


async def partition_of_log(redis: Redis, stream: str) -> str:
    """Return the one partition of a stream that has a log."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            for member in await ask(redis, "SMEMBERS", "gw:logs"):
                name, _, partition = member.decode().partition("\n")
                if name == stream:
                    return str(partition)
            await asyncio.sleep(0.01)


async def test_contents_that_went_on_from_older_data_before_anybody_compared_are_a_new_epoch(
    redis: Redis, layer: LoopLayer
) -> None:
    """The log then ends above what the reader read: only that its own entry is missing gives it away."""
    async with leading():
        await tick(redis, A=1.0, B=1.0)
        told = Told(layer, "tickers", "kraken", mode=Mode.EVERY)
        await told.until_state({"kraken:A": 1.0, "kraken:B": 1.0})
        older = await kept(redis)
        await tick(redis, A=2.0, C=2.0)
        before = await told.until_state({"kraken:A": 2.0, "kraken:B": 1.0, "kraken:C": 2.0})
    await layer.reader.stop()
    await put_back(redis, older)
    epochs = NEW_EPOCHS.labels("tickers")._value.get()
    async with leading():
        await tick(redis, A=3.0, D=3.0)
        await ends_beyond(redis, before[-1]["cursor"])
        layer.reader.start()
        frames = await told.until_state({"kraken:A": 3.0, "kraken:B": 1.0, "kraken:C": None, "kraken:D": 3.0})
    assert NEW_EPOCHS.labels("tickers")._value.get() == epochs + 1
    assert epoch_of(frames[-1]) != epoch_of(before[-1])
    await told.subscription.stop()


async def test_a_relay_that_leads_again_tells_of_no_loss_that_was_told_while_another_led(
    redis: Redis, layer: LoopLayer
) -> None:
    async with leading() as first:
        await tick(redis, A=1.0)
        told = Told(layer, "tickers", "kraken", mode=Mode.EVERY)
        await told.until_state({"kraken:A": 1.0})
        older = await kept(redis)
        await tick(redis, A=2.0)
        before = await told.until_state({"kraken:A": 2.0})
    await layer.reader.stop()
    await put_back(redis, older)
    epochs = NEW_EPOCHS.labels("tickers")._value.get()
    async with leading():
        layer.reader.start()
        frames = await told.until_state({"kraken:A": 1.0})
    async with leading(first):
        await tick(redis, A=3.0)
        after = await told.until_state({"kraken:A": 3.0})
    assert epoch_of(before[-1]) != epoch_of(frames[-1]) == epoch_of(after[-1])
    assert NEW_EPOCHS.labels("tickers")._value.get() == epochs + 1
    await told.subscription.stop()


async def ends_beyond(redis: Redis, cursor: str) -> None:
    """Wait until two updates stand in the log after the place of ``cursor``."""
    after = cursor.rpartition(".")[2]
    async with asyncio.timeout(DEADLINE_S):
        while len(await ask(redis, "XRANGE", "gw:{tickers:kraken}:log", f"({after}", "+")) < 2:
            await asyncio.sleep(0.01)


def epoch_of(frame: Frame) -> str:
    return str(frame["cursor"]).rpartition(".")[0]


@pytest.mark.parametrize(("mode", "lost"), [(Mode.EVERY, 1), (Mode.LATEST, 0)])
async def test_a_log_that_was_trimmed_past_the_reader_ends_those_who_want_every_update(
    redis: Redis, layer: LoopLayer, mode: Mode, lost: int
) -> None:
    told_so: list[str] = []
    async with leading():
        await tick(redis, A=1.0)
        told = Told(layer, "tickers", "kraken", mode=mode, lost=lambda: told_so.append("lost"))
        await told.until_state({"kraken:A": 1.0})
        await layer.reader.stop()
        await tick(redis, A=2.0, B=2.0)
        await ends_beyond(redis, json.loads(told.outlet.frames[-1])["cursor"])
        await ask(redis, "XTRIM", "gw:{tickers:kraken}:log", "MAXLEN", "=", 1)
        layer.reader.start()
        await told.until_state({"kraken:A": 2.0, "kraken:B": 2.0})
    assert len(told_so) == lost
    await told.subscription.stop()
