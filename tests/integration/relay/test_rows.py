"""The row lane: what is committed stands in the log once and in order, whoever leads and whatever was lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.db import DatabaseError
from redis.asyncio import Redis

from cache_streams.agents import selectors
from cache_streams.agents.archive import AgentArchive
from cache_streams.agents.models import AgentEvent, AgentRun, AgentUserLog
from cache_streams.agents.rights import Caller
from cache_streams.agents.services import append_events
from cache_streams.agents.wire import read_event
from cache_streams.connections import ask
from cache_streams.layers import LoopLayer
from cache_streams.log import Log
from cache_streams.log_names import LogName, partition_of
from cache_streams.metrics import ROWS_FOUND_LATE, ROWS_UNREADABLE
from cache_streams.places import START, Cursor, position
from cache_streams.protocol.native.rendition import NativeRendition
from cache_streams.relay.leader import Relay
from cache_streams.relay.run import configured_relay
from cache_streams.streams.agents import AGENTS, NOTICES, key_of
from cache_streams.streams.declaration import Key, Record
from cache_streams.streams.update import Update
from cache_streams.subscription import Subscription
from tests.counts import counted
from tests.integration.agents.people import caller, new_user, start
from tests.recording import RecordingOutlet

pytestmark = pytest.mark.django_db(transaction=True)

DEADLINE_S = 60.0
THINKING = {"type": "agent_thinking", "reasoning": "Hm."}


@asynccontextmanager
async def leading(archive: AgentArchive | None = None) -> AsyncIterator[Relay]:
    relay = configured_relay({AGENTS.name: archive or AgentArchive()})
    task = asyncio.create_task(relay.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await relay.leading.wait()
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ann_with_run() -> Caller:
    def begin() -> Caller:
        ann = caller(new_user())
        start(ann, run_id=f"r{ann.user_id}")
        return ann

    return await database_sync_to_async(begin)()


async def think(who: Caller, times: int = 1) -> None:
    drafts = [read_event(THINKING)] * times
    await database_sync_to_async(append_events)(who, f"r{who.user_id}", drafts)


async def updates(redis: Redis, who: Caller) -> list[Update]:
    key = key_of(who.user_id)
    log = Log(redis, LogName("agents", partition_of(AGENTS, key, 16), "gw"), AGENTS)
    entries = await log.range(START, position("9" * 15), 100_000)
    return [entry.update for entry in entries if entry.update is not None and entry.update.key == key]


async def logged(redis: Redis, who: Caller, count: int) -> list[int]:
    """Return the numbers in the log once there are ``count``."""
    return [
        update.seq for update in await until(lambda: updates(redis, who), lambda found: len(found) >= count)
    ]


async def until(
    look: Callable[[], Awaitable[Any]], good: Callable[[Any], bool]
) -> Any:  # Any: whatever is looked at
    async with asyncio.timeout(DEADLINE_S):
        while not good(found := await look()):
            await asyncio.sleep(0.01)
    return found


async def test_each_event_is_logged_as_rest_tells_it_under_its_cursor(redis: Redis) -> None:
    async with leading():
        ann = await ann_with_run()
        await think(ann)
        assert await logged(redis, ann, 2) == [1, 2]
    stored = await database_sync_to_async(selectors.events_after)(ann.user_id, 0)
    assert [json.loads(update.data) for update in await updates(redis, ann)] == stored


async def test_what_was_stored_while_no_relay_ran_is_logged_by_the_next(redis: Redis) -> None:
    async with leading():
        ann = await ann_with_run()
        await logged(redis, ann, 1)
    await think(ann, 90)
    await think(ann, 90)
    async with leading():
        assert await logged(redis, ann, 181) == list(range(1, 182))


async def test_relays_that_follow_one_another_log_nothing_twice(redis: Redis) -> None:
    ann = await ann_with_run()
    for count in range(2, 6):
        async with leading():
            await think(ann)
            await logged(redis, ann, count)
    assert [update.seq for update in await updates(redis, ann)] == [1, 2, 3, 4, 5]


async def test_a_lost_notice_is_a_delay_and_counted(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    async with leading():
        ann = await ann_with_run()
        await logged(redis, ann, 1)
        monkeypatch.setattr("cache_streams.agents.appending.announce_row", lambda *_: None)
        with counted(ROWS_FOUND_LATE, "agents"):
            await think(ann)
            assert await logged(redis, ann, 2) == [1, 2]


async def test_a_notice_alone_makes_the_relay_copy_at_once(redis: Redis) -> None:
    class Blind(AgentArchive):
        """Never finds anything by looking."""

        async def grown(self, since: object) -> dict[Key, int]:
            return {}

    async with leading(Blind()):
        ann = await ann_with_run()
        await think(ann, 3)
        assert await logged(redis, ann, 4) == [1, 2, 3, 4]


async def test_after_a_flush_the_newest_are_there_again_and_the_rest_follows(redis: Redis) -> None:
    async with leading():
        ann = await ann_with_run()
        await think(ann, 60)
        await think(ann, 60)
        await logged(redis, ann, 121)
        await redis.flushall()
        await think(ann)
        found = await until(lambda: updates(redis, ann), lambda got: bool(got) and got[-1].seq == 122)
    numbers = [update.seq for update in found]
    assert numbers == list(range(numbers[0], 123))
    assert len(numbers) >= 100


async def test_a_log_that_begins_with_later_events_is_told_as_state_to_who_was_told_of_nothing(
    redis: Redis,
) -> None:
    """After an empty state the number of its first event would pass for a loss, also to who resumes from that state."""
    ann = await ann_with_run()
    await think(ann, 60)
    await think(ann, 60)
    layers: Any = get_channel_layer()
    layer: LoopLayer = layers._get_layer()
    waiting, following = await follow(layer, ann)
    assert numbers(await waiting.until(bool, DEADLINE_S)) == [("snapshot", 0)]
    async with leading():
        await logged(redis, ann, 100)
        await think(ann)
        first = await ends_at(waiting, 122)
        resuming, resumed = await follow(layer, ann, since=await begun_at(redis, ann))
        await think(ann)
        for outlet in (waiting, resuming):
            await ends_at(outlet, 123)
    for told in (numbers(first)[1:], numbers(resuming.frames)):
        assert told[0][0] == "snapshot"
        assert told[0][1] > 1
        assert [number for _, number in told] == list(range(told[0][1], told[0][1] + len(told)))
    for each in (following, resumed):
        await each.stop()
    await layers.flush()


async def follow(
    layer: LoopLayer, who: Caller, since: Cursor | None = None
) -> tuple[RecordingOutlet, Subscription]:
    outlet, key = RecordingOutlet(), key_of(who.user_id)
    partition = partition_of(AGENTS, key, 16)
    subscription = layer.subscription(outlet, AGENTS, [(partition, key)], NativeRendition(AGENTS, 1, key))
    (standing,) = await subscription.prepare({partition: since} if since else None)
    assert standing.recovered is (True if since else None)
    subscription.start()
    return outlet, subscription


async def begun_at(redis: Redis, who: Caller) -> Cursor:
    """Return the place of the log's first entry, before everything that it carries."""
    name = LogName("agents", partition_of(AGENTS, key_of(who.user_id), 16), "gw")
    first = (await Log(redis, name, AGENTS).range(START, position("9" * 15), 1))[0]
    assert first.epoch is not None
    return Cursor(first.epoch, first.position)


def numbers(frames: Sequence[bytes]) -> list[tuple[str, int]]:
    return [(frame["type"], frame["seq"]) for frame in map(json.loads, frames)]


async def ends_at(outlet: RecordingOutlet, number: int) -> list[bytes]:
    """Return the frames once the last one has that number."""
    return list(
        await outlet.until(
            lambda frames: numbers(frames)[-1:] and numbers(frames)[-1][1] == number, DEADLINE_S
        )
    )


async def test_a_database_that_is_away_is_counted_and_asked_again(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await ann_with_run()
    away = True
    real = selectors.events_after

    def events_after(*args: Any) -> Any:  # Any: as the real one
        if away:
            raise DatabaseError
        return real(*args)

    monkeypatch.setattr(selectors, "events_after", events_after)
    before = ROWS_UNREADABLE.labels("agents")._value.get()
    async with leading():
        await until(
            lambda: asyncio.sleep(0, ROWS_UNREADABLE.labels("agents")._value.get()), lambda n: n > before
        )
        away = False
        assert await logged(redis, ann, 1) == [1]


async def take_back(who: Caller, last: int) -> None:
    """Leave the database as it was when ``last`` events were stored."""

    def restore() -> None:
        AgentEvent.objects.filter(user=who.user_id, cursor__gt=last).delete()
        AgentUserLog.objects.filter(user=who.user_id).update(last_cursor=last)
        AgentRun.objects.filter(user=who.user_id).update(last_seq=last)

    await database_sync_to_async(restore)()


async def epochs(redis: Redis, who: Caller) -> int:
    """Return how often the user's log began anew."""
    log = Log(redis, LogName("agents", partition_of(AGENTS, key_of(who.user_id), 16), "gw"), AGENTS)
    entries = await log.range(START, position("9" * 15), 100_000)
    return sum(entry.epoch is not None for entry in entries) - 1


async def log_id(who: Caller) -> str:
    found = await database_sync_to_async(selectors.standing)(who.user_id)
    assert found is not None
    return found.log_id


@pytest.mark.parametrize("again", [1, 5, 30], ids=["fewer", "as many", "more"])
@pytest.mark.parametrize("while_away", [False, True], ids=["running", "stopped"])
async def test_numbers_that_mean_other_rows_begin_an_epoch_and_are_told_again(
    redis: Redis, again: int, while_away: bool
) -> None:
    async with leading():
        ann = await ann_with_run()
        await think(ann, 8)
        await logged(redis, ann, 9)
        before = await log_id(ann)
        if not while_away:
            await take_back(ann, 4)
            await think(ann, again)
            if again > 5:  # else the look finds it, or the next that is appended
                await until(lambda: epochs(redis, ann), lambda found: found == 1)
    if while_away:
        await take_back(ann, 4)
        await think(ann, again)
    async with leading():
        await think(ann)
        last = 4 + again + 1
        await logged(redis, ann, 9 + last)
        told = await updates(redis, ann)
        assert await epochs(redis, ann) == 1
    assert [update.seq for update in told] == [*range(1, 10), *range(1, last + 1)]
    stored = await database_sync_to_async(selectors.events_after)(ann.user_id, 0)
    assert [json.loads(update.data) for update in told[9:]] == stored
    assert await log_id(ann) != before


async def test_rows_that_age_took_are_no_reason_for_an_epoch(redis: Redis) -> None:
    async with leading():
        ann = await ann_with_run()
        await think(ann, 3)
        await logged(redis, ann, 4)

        def trim() -> None:
            AgentEvent.objects.filter(user=ann.user_id).delete()
            AgentUserLog.objects.filter(user=ann.user_id).update(floor_cursor=4)

        await database_sync_to_async(trim)()
        await think(ann)
        assert await logged(redis, ann, 5) == [1, 2, 3, 4, 5]
        assert await epochs(redis, ann) == 0


async def test_the_tail_of_a_user_ends_with_the_retention_of_rows(redis: Redis) -> None:
    async with leading():
        ann = await ann_with_run()
        await logged(redis, ann, 1)
        key = key_of(ann.user_id)
        name = LogName("agents", partition_of(AGENTS, key, 16), "gw")
        ttl = await until(
            lambda: ask(redis, "TTL", f'{name.last}:["{ann.user_id}"]'), lambda found: found > 0
        )
    assert 604_700 < ttl <= 604_801


async def test_a_notice_for_what_is_logged_already_asks_the_database_nothing(redis: Redis) -> None:
    asked: list[Key] = []

    class Watched(AgentArchive):
        async def pages(self, after: Any) -> list[Record]:  # Any: as the real one
            asked.extend(after)
            return await super().pages(after)

    async with leading(Watched()):
        ann = await ann_with_run()
        await logged(redis, ann, 1)
        before = len(asked)
        await ask(redis, "XADD", f"gw:{NOTICES}", "*", str(ann.user_id), "1")
        await think(ann)
        await logged(redis, ann, 2)
    assert len(asked) == before + 1
