"""The channel layer: the published behaviour of channels and groups, bounds of our own, and groups that stand on logs."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from channels.layers import get_channel_layer
from redis import Redis

from cache_streams.layers import CAPACITY, LogBackedChannelLayer
from cache_streams.metrics import LAYER_DROPPED
from cache_streams.protocol.groups import group_name, wildcard_name
from cache_streams.relay.leader import Relay
from cache_streams.relay.run import configured_relay
from cache_streams.server.embedded_redis import EmbeddedRedis
from cache_streams.streams import by_name
from cache_streams.streams.declaration import Audience, Kind, Mode, Stream
from cache_streams.streams.sent import NotSendable

DEADLINE_S = 30.0


class Score(msgspec.Struct, frozen=True):
    game: str
    points: int


SCORES = Stream(
    name="scores",
    payload=Score,
    key_fields=("game",),
    kind=Kind.VALUE,
    mode=Mode.EVERY,
    audience=Audience.ANY_USER,
    layout=None,
)


@pytest.fixture
async def layer(fresh_redis: EmbeddedRedis) -> AsyncIterator[Any]:  # Any: Channels types layers loosely
    layer = get_channel_layer()
    assert isinstance(layer, LogBackedChannelLayer)
    yield layer
    await layer.flush()


@pytest.fixture
def scores() -> Iterator[Stream]:
    """A stream that exists for one test: its declaration and its name are all that is added."""
    by_name[SCORES.name] = SCORES
    yield SCORES
    del by_name[SCORES.name]


@asynccontextmanager
async def relaying(*streams: Stream) -> AsyncIterator[Relay]:
    relay = configured_relay()
    relay._registry = (*relay._registry, *streams)
    task = asyncio.create_task(relay.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await relay.leading.wait()
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def receive(layer: Any, channel: str) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        message: dict[str, Any] = await layer.receive(channel)
        return message


async def test_a_message_reaches_the_channel_it_was_sent_to(layer: Any) -> None:
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "greet", "text": "hé", "number": 1.5, "raw": b"\x00"})
    assert await receive(layer, channel) == {"type": "greet", "text": "hé", "number": 1.5, "raw": b"\x00"}


async def test_messages_of_one_channel_arrive_in_order(layer: Any) -> None:
    channel = await layer.new_channel()
    for number in range(50):
        await layer.send(channel, {"type": "count", "number": number})
    assert [(await receive(layer, channel))["number"] for _ in range(50)] == list(range(50))


async def test_channels_of_one_process_do_not_hear_each_other(layer: Any) -> None:
    mine, other = await layer.new_channel(), await layer.new_channel()
    await layer.send(other, {"type": "other"})
    await layer.send(mine, {"type": "mine"})
    assert (await receive(layer, mine))["type"] == "mine"


async def test_a_group_message_reaches_every_member_and_nobody_else(layer: Any) -> None:
    first, second, outsider = [await layer.new_channel() for _ in range(3)]
    for channel in (first, second):
        await layer.group_add("chat", channel)
    await layer.group_send("chat", {"type": "hello"})
    await layer.send(outsider, {"type": "alone"})
    assert [(await receive(layer, channel))["type"] for channel in (first, second, outsider)] == [
        "hello",
        "hello",
        "alone",
    ]


async def test_a_discarded_member_hears_no_more(layer: Any) -> None:
    channel = await layer.new_channel()
    await layer.group_add("chat", channel)
    await layer.group_discard("chat", channel)
    await layer.group_send("chat", {"type": "hello"})
    await layer.send(channel, {"type": "direct"})
    assert (await receive(layer, channel))["type"] == "direct"


async def test_another_process_reaches_a_channel_of_this_one(layer: Any) -> None:
    elsewhere = LogBackedChannelLayer(*layer._args, **layer._kwargs)
    channel = await layer.new_channel()
    await elsewhere.send(channel, {"type": "from.elsewhere"})
    assert (await receive(layer, channel))["type"] == "from.elsewhere"
    await elsewhere.flush()


async def test_a_process_has_one_redis_subscription_however_many_channels(
    layer: Any, fresh_redis: EmbeddedRedis
) -> None:
    for _ in range(20):
        await layer.new_channel()
    with Redis.from_url(fresh_redis.url) as client:
        subscribed = client.execute_command("PUBSUB", "CHANNELS")
    assert len(subscribed) == 1


async def test_a_full_channel_drops_the_newest_and_counts_it(layer: Any) -> None:
    channel, last = await layer.new_channel(), await layer.new_channel()
    before = LAYER_DROPPED._value.get()
    for number in range(CAPACITY + 7):
        await layer.send(channel, {"type": "count", "number": number})
    await layer.send(last, {"type": "done"})
    await receive(layer, last)
    assert LAYER_DROPPED._value.get() - before == 7
    assert (await receive(layer, channel))["number"] == 0


@pytest.mark.parametrize("group", ["BTC/USDT", "", "x" * 100, "ä"])
async def test_an_illegal_group_name_is_refused(layer: Any, group: str) -> None:
    channel = await layer.new_channel()
    with pytest.raises(TypeError):
        await layer.group_add(group, channel)


async def test_cancelling_a_receive_ends_its_channel(layer: Any) -> None:
    channel = await layer.new_channel()
    waiting = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert channel not in layer._get_layer().channels


async def test_a_stream_that_is_only_declared_has_groups_numbers_and_order(
    layer: Any, scores: Stream
) -> None:
    group = group_name(scores.name, ("chess",))
    async with relaying(scores):
        channel = await layer.new_channel()
        await layer.group_add(group, channel)
        for points in (1, 2, 3):
            await layer.group_send(
                group, {"type": "stream.update", "value": {"game": "chess", "points": points}}
            )
        received = [await receive(layer, channel) for _ in range(3)]
    assert [(m["type"], m["stream"], m["key"], m["seq"], m["data"]["points"]) for m in received] == [
        ("stream.update", "scores", "chess", seq, seq) for seq in (1, 2, 3)
    ]


async def test_a_group_message_to_a_log_reaches_members_in_every_process(layer: Any, scores: Stream) -> None:
    group = group_name(scores.name, ("go",))
    elsewhere = LogBackedChannelLayer(*layer._args, **layer._kwargs)
    async with relaying(scores):
        channel = await elsewhere.new_channel()
        await elsewhere.group_add(group, channel)
        await layer.group_send(group, {"type": "stream.update", "value": {"game": "go", "points": 9}})
        assert (await receive(elsewhere, channel))["data"]["points"] == 9
    await elsewhere.flush()


async def test_what_was_sent_while_no_relay_ran_is_carried_once_by_the_next(
    layer: Any, scores: Stream
) -> None:
    group = group_name(scores.name, ("go",))
    channel = await layer.new_channel()
    await layer.group_add(group, channel)
    for points in (1, 2):
        await layer.group_send(group, {"type": "stream.update", "value": {"game": "go", "points": points}})
    async with relaying(scores):
        assert (await receive(layer, channel))["seq"] == 1
    async with relaying(scores):
        await layer.group_send(group, {"type": "stream.update", "value": {"game": "go", "points": 3}})
        assert [(await receive(layer, channel))["data"]["points"] for _ in range(2)] == [2, 3]


async def test_the_group_of_a_whole_log_hears_every_key(layer: Any) -> None:
    async with relaying():
        channel = await layer.new_channel()
        await layer.group_add(wildcard_name("tickers", "kraken"), channel)
        for symbol in ("A/B", "C/D"):
            ticker = {"exchange": "kraken", "symbol": symbol, "price": 1.0}
            await layer.group_send(
                group_name("tickers", ("kraken", symbol)), {"type": "stream.update", "value": ticker}
            )
        keys = [(await receive(layer, channel))["key"] for _ in range(2)]
    assert keys == ["kraken:A/B", "kraken:C/D"]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"type": "chat.message", "value": {}}, "type"),
        ({"type": "stream.update", "value": {"game": "chess"}}, "value"),
        ({"type": "stream.update", "value": {"game": "chess", "points": "many"}}, "value"),
        ({"type": "stream.update", "value": {"game": "chess", "points": 1}, "time": "now"}, "value"),
    ],
)
async def test_a_bad_message_to_a_log_is_refused_where_it_is_sent(
    layer: Any, scores: Stream, message: dict[str, Any], field: str
) -> None:
    with pytest.raises(NotSendable, match=f"^{field}: "):
        await layer.group_send(group_name(scores.name, ("chess",)), message)


async def test_sending_from_a_thread_without_a_loop_starts_no_reader(layer: Any, scores: Stream) -> None:
    from asgiref.sync import async_to_sync

    group = group_name(scores.name, ("chess",))
    message = {"type": "stream.update", "value": {"game": "chess", "points": 4}}
    async with relaying(scores):
        channel = await layer.new_channel()
        await layer.group_add(group, channel)
        await asyncio.to_thread(async_to_sync(layer.group_send), group, message)
        assert (await receive(layer, channel))["data"]["points"] == 4


def test_a_message_to_a_log_survives_the_wire() -> None:
    from cache_streams.streams.sent import decode_sent, encode_sent

    sent = decode_sent(
        encode_sent(SCORES, ("chess",), {"type": "stream.update", "value": {"game": "x", "points": 1}})
    )
    assert (sent.stream, sent.key, json.dumps(sent.value)) == (
        "scores",
        ["chess"],
        '{"game": "x", "points": 1}',
    )
