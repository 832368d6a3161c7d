"""The channel layer while tasks race, while its connections break, and while Redis is away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings
from redis import Redis
from redis.exceptions import RedisError

from cache_streams.layers import LogBackedChannelLayer
from cache_streams.metrics import LAYER_RECONNECTS
from cache_streams.protocol.groups import group_name
from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.partition import Partition, partition_to

DEADLINE_S = 30.0


@pytest.fixture
async def layer(fresh_redis: EmbeddedRedis) -> AsyncIterator[Any]:  # Any: Channels types layers loosely
    layer = LogBackedChannelLayer(prefix="outage")
    yield layer
    await layer.flush()


@pytest.fixture
async def way(fresh_redis: EmbeddedRedis, settings: Settings) -> AsyncIterator[Partition]:
    address = urlsplit(fresh_redis.url)
    async with partition_to(address.hostname or "", address.port or 0) as way:
        settings.REDIS_URL = f"redis://127.0.0.1:{way.port}/0"
        yield way


@pytest.fixture
async def distant(way: Partition) -> AsyncIterator[Any]:
    """A layer whose way to Redis can fall silent."""
    layer = LogBackedChannelLayer(prefix="outage")
    yield layer
    way.heal()
    await layer.flush()


async def receive(layer: Any, channel: str) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        message: dict[str, Any] = await layer.receive(channel)
        return message


async def heard(layer: Any, channel: str, group: str) -> None:
    """Send to a group again and again, as at-most-once delivery demands, until its member hears one."""

    async def keep_sending() -> None:
        while True:
            with suppress(RedisError, OSError):  # still away: the member's receive has the deadline
                await layer.group_send(group, {"type": "again"})
            await asyncio.sleep(0.05)

    sending = asyncio.create_task(keep_sending())
    try:
        assert await receive(layer, channel) == {"type": "again"}
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


def kill_subscribers(server: EmbeddedRedis) -> int:
    with Redis.from_url(server.url) as client:
        killed: int = client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        return killed


async def test_many_tasks_send_to_many_channels_at_once_and_none_loses_or_takes_anothers(layer: Any) -> None:
    channels = [await layer.new_channel() for _ in range(40)]

    async def converse(channel: str) -> list[int]:
        for number in range(20):
            await layer.send(channel, {"type": "n", "to": channel, "number": number})
        received = [await receive(layer, channel) for _ in range(20)]
        assert {message["to"] for message in received} == {channel}
        return [message["number"] for message in received]

    counted = await asyncio.gather(*(converse(channel) for channel in channels))
    assert counted == [list(range(20))] * 40


async def test_joins_and_leaves_that_race_end_with_the_last_word_of_each_member(layer: Any) -> None:
    stays = [await layer.new_channel() for _ in range(10)]
    leaves = [await layer.new_channel() for _ in range(10)]

    async def waver(channel: str, *, stay: bool) -> None:
        for _ in range(10):
            await layer.group_add("crowd", channel)
            await layer.group_discard("crowd", channel)
        if stay:
            await layer.group_add("crowd", channel)

    await asyncio.gather(*(waver(c, stay=True) for c in stays), *(waver(c, stay=False) for c in leaves))
    await layer.group_send("crowd", {"type": "to.members"})
    for channel in leaves:
        await layer.send(channel, {"type": "direct"})
    assert {(await receive(layer, channel))["type"] for channel in stays} == {"to.members"}
    assert {(await receive(layer, channel))["type"] for channel in leaves} == {"direct"}


async def test_a_message_sent_right_after_a_channel_was_made_is_never_lost(
    layer: Any, fresh_redis: EmbeddedRedis
) -> None:
    with Redis.from_url(fresh_redis.url) as elsewhere:
        elsewhere.ping()  # connected: its messages are sooner there than a subscription under way
        for number in range(100):
            await layer.flush()  # the next channel needs a subscription of its own
            channel = await layer.new_channel()
            message = {"channel": channel, "message": {"type": "early", "number": number}}
            elsewhere.publish(channel.partition("!")[0], layer.serialize(message))
            assert (await receive(layer, channel))["number"] == number


async def test_two_layers_with_other_prefixes_do_not_hear_each_others_groups(layer: Any) -> None:
    other = LogBackedChannelLayer(prefix="another")
    mine, theirs = await layer.new_channel(), await other.new_channel()
    await layer.group_add("chat", mine)
    await other.group_add("chat", theirs)
    await layer.group_send("chat", {"type": "mine"})
    await other.group_send("chat", {"type": "theirs"})
    assert [(await receive(layer, mine))["type"], (await receive(other, theirs))["type"]] == [
        "mine",
        "theirs",
    ]
    await other.flush()


async def test_a_layer_that_was_flushed_works_as_a_new_one(layer: Any) -> None:
    before = await layer.new_channel()
    await layer.group_add("chat", before)
    await layer.flush()
    channel = await layer.new_channel()
    await layer.group_add("chat", channel)
    await layer.group_send("chat", {"type": "hello"})
    assert (await receive(layer, channel))["type"] == "hello"


async def test_a_group_may_be_left_that_was_never_joined(layer: Any) -> None:
    await layer.group_discard("chat", await layer.new_channel())


async def test_a_channel_of_another_process_cannot_be_added_to_a_group(layer: Any) -> None:
    with pytest.raises(RuntimeError, match="in-process"):
        await layer.group_add("chat", "outage.process.elsewhere!specific.1")


async def test_a_general_channel_is_received_by_whoever_waits_on_it(layer: Any) -> None:
    elsewhere = LogBackedChannelLayer(prefix="outage")
    waiting = asyncio.create_task(layer.receive("thumbnails"))
    async with asyncio.timeout(DEADLINE_S):
        while not waiting.done():
            await elsewhere.send("thumbnails", {"type": "make"})
            await asyncio.wait([waiting], timeout=0.05)
    assert waiting.result() == {"type": "make"}
    await elsewhere.flush()


async def test_a_channel_that_ends_leaves_its_groups(layer: Any, fresh_redis: EmbeddedRedis) -> None:
    channel = await layer.new_channel()
    await layer.group_add("chat", channel)
    waiting = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    with Redis.from_url(fresh_redis.url) as client:
        async with asyncio.timeout(DEADLINE_S):
            while client.execute_command("PUBSUB", "CHANNELS", "outage__group__*"):
                await asyncio.sleep(0.01)
    assert layer.groups == {}


async def test_a_channel_that_ends_is_fed_by_no_log(layer: Any) -> None:
    channel = await layer.new_channel()
    await layer.group_add(group_name("tickers", ("kraken", "A/B")), channel)
    waiting = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(DEADLINE_S):
        while layer.reader.all_followed():
            await asyncio.sleep(0.01)


async def test_groups_and_channels_hear_again_after_their_connection_was_cut(
    layer: Any, fresh_redis: EmbeddedRedis
) -> None:
    channel = await layer.new_channel()
    await layer.group_add("chat", channel)
    before = LAYER_RECONNECTS._value.get()
    assert kill_subscribers(fresh_redis) >= 1
    await heard(layer, channel, "chat")
    assert LAYER_RECONNECTS._value.get() == before + 1


async def test_members_that_join_while_connections_are_cut_again_and_again_hear_in_the_end(
    layer: Any, fresh_redis: EmbeddedRedis
) -> None:
    joined: list[tuple[str, str]] = []

    async def join() -> None:
        for number in range(10):
            channel = await layer.new_channel()
            await layer.group_add(f"room-{number}", channel)
            joined.append((channel, f"room-{number}"))
            await asyncio.sleep(0.02)

    joining = asyncio.create_task(join())
    while not joining.done():
        kill_subscribers(fresh_redis)
        await asyncio.wait([joining], timeout=0.1)
    await joining
    for channel, group in joined:
        await heard(layer, channel, group)


async def test_a_silent_partition_is_noticed_although_no_connection_breaks(
    distant: Any, way: Partition
) -> None:
    channel = await distant.new_channel()
    await distant.group_add("chat", channel)
    before = LAYER_RECONNECTS._value.get()
    way.hold()
    async with asyncio.timeout(DEADLINE_S):
        while LAYER_RECONNECTS._value.get() == before:
            await asyncio.sleep(0.05)
    way.heal()
    await heard(distant, channel, "chat")


async def test_joining_while_redis_does_not_answer_is_refused_in_bounded_time(
    distant: Any, way: Partition
) -> None:
    channel = await distant.new_channel()
    way.hold()
    began = time.monotonic()
    with pytest.raises((RedisError, TimeoutError)):
        await distant.group_add("chat", channel)
    assert time.monotonic() - began < DEADLINE_S / 3
    way.heal()


async def test_sending_while_redis_does_not_answer_raises_instead_of_losing_silently(
    distant: Any, way: Partition
) -> None:
    channel = await distant.new_channel()
    way.hold()
    with pytest.raises(RedisError):
        await distant.send(channel, {"type": "lost"})
    way.heal()
