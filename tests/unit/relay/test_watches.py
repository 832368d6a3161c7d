"""What must be read now, and how soon a costly read may be repeated."""

from __future__ import annotations

import json

import pytest

from cache_streams.relay.watches import (
    READS_AT_ONCE,
    REST_PER_READ,
    REST_S,
    BeaconWatch,
    HashWatch,
    JoinedWatch,
    Task,
    Watch,
)
from cache_streams.sources.readers import Command
from cache_streams.streams.bots import BOTS
from cache_streams.streams.declaration import Beacons, HashFields, JoinedHashes, Record
from cache_streams.streams.process import PROCESS, STALE_AFTER_S
from cache_streams.streams.tickers import TICKERS
from tests.unit.sources.interpreter import Interpreter

NOW, WALL = 100.0, 1_800_000_000.0
KRAKEN, BINANCE = "tickers:kraken", "tickers:binance"


def hash_watch() -> HashWatch:
    assert isinstance(TICKERS.layout, HashFields)
    return HashWatch(TICKERS, TICKERS.layout)


def joined_watch() -> JoinedWatch:
    assert isinstance(BOTS.layout, JoinedHashes)
    return JoinedWatch(BOTS, BOTS.layout)


def beacon_watch() -> BeaconWatch:
    assert isinstance(PROCESS.layout, Beacons)
    return BeaconWatch(PROCESS, PROCESS.layout)


def due(watch: Watch, now: float = NOW) -> tuple[list[Command], float | None]:
    """Return the commands of what may be read now, and when the next may."""
    tasks, later = watch.take(now, WALL)
    return [command for task in tasks for command in next(task.reading)], later


def read(
    watch: Watch, cache: Interpreter, *, now: float = NOW, wall: float = WALL, took: float = 0.0
) -> list[Record]:
    tasks, _ = watch.take(now, wall)
    records = [record for task in tasks for record in cache.run(task.reading)]
    for task in tasks:
        finish(task, now, now + took)
    return records


def finish(task: Task, started: float, ended: float) -> None:
    if task.finished is not None:
        task.finished(started, ended)


# -- hashes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["ticker_time:kraken:BTC/USDC", "tickers:", "tickers", "order_status:kraken"])
def test_a_key_of_another_kind_is_none_of_a_hash_watchs_business(key: str) -> None:
    watch = hash_watch()
    assert not watch.notice(key)
    assert due(watch) == ([], None)


def test_a_noticed_hash_is_read_whole_and_once() -> None:
    watch = hash_watch()
    assert watch.notice(KRAKEN)
    watch.notice(KRAKEN)
    assert due(watch) == ([("HGETALL", KRAKEN)], None)
    assert due(watch) == ([], None)


def test_a_hinted_field_of_a_known_hash_is_read_alone() -> None:
    watch = hash_watch()
    watch.notice(KRAKEN)
    due(watch)
    assert watch.hint("ticker_updates:kraken:BTC/USDC:USDC")
    assert due(watch) == ([("HMGET", KRAKEN, b"BTC/USDC:USDC")], None)


def test_a_hint_of_an_unknown_hash_reads_it_whole() -> None:
    watch = hash_watch()
    assert watch.hint("ticker_updates:kraken:BTC/USDC")
    assert due(watch) == ([("HGETALL", KRAKEN)], None)


def test_a_message_on_another_channel_is_no_hint() -> None:
    assert not hash_watch().hint("process:broadcast:bot")


def test_a_whole_read_covers_the_fields_that_were_hinted() -> None:
    watch = hash_watch()
    watch.notice(KRAKEN)
    watch.hint("ticker_updates:kraken:BTC/USDC")
    assert due(watch) == ([("HGETALL", KRAKEN)], None)


def test_a_hash_rests_after_a_whole_read_at_least_so_long() -> None:
    watch = hash_watch()
    watch.notice(KRAKEN)
    read(watch, Interpreter())
    watch.notice(KRAKEN)
    assert due(watch) == ([], NOW + REST_S)
    assert due(watch, NOW + REST_S) == ([("HGETALL", KRAKEN)], None)


def test_a_hash_that_took_long_rests_longer() -> None:
    watch = hash_watch()
    watch.notice(KRAKEN)
    read(watch, Interpreter(), took=1.0)
    watch.notice(KRAKEN)
    assert due(watch) == ([], NOW + 1.0 + REST_PER_READ)


def test_hinted_fields_of_a_resting_hash_are_read_at_once() -> None:
    watch = hash_watch()
    watch.notice(KRAKEN)
    read(watch, Interpreter(), took=1.0)
    watch.notice(KRAKEN)
    watch.hint("ticker_updates:kraken:BTC/USDC")
    assert due(watch) == ([("HMGET", KRAKEN, b"BTC/USDC")], NOW + 1.0 + REST_PER_READ)


def test_one_resting_hash_does_not_hold_up_another() -> None:
    watch = hash_watch()
    watch.notice(KRAKEN)
    read(watch, Interpreter(), took=1.0)
    watch.notice(KRAKEN)
    watch.notice(BINANCE)
    assert due(watch)[0] == [("HGETALL", BINANCE)]


def test_no_more_than_so_many_hashes_are_read_at_once_and_the_rest_at_the_next_look() -> None:
    watch = hash_watch()
    for number in range(READS_AT_ONCE + 5):
        watch.notice(f"tickers:exchange{number}")
    first, later = due(watch)
    assert len(first) == READS_AT_ONCE
    assert later is not None
    assert later <= NOW
    assert len(due(watch)[0]) == 5


def test_everything_known_can_be_marked_dirty_also_what_may_be_gone() -> None:
    watch = hash_watch()
    watch.notice(KRAKEN)
    due(watch)
    watch.notice_all()
    assert due(watch) == ([("HGETALL", KRAKEN)], None)


def test_a_hash_keeps_its_reader_between_reads() -> None:
    watch, cache = hash_watch(), Interpreter(**{KRAKEN: {b"BTC/USDC": b'{"price": 1}'}})
    watch.notice(KRAKEN)
    assert len(read(watch, cache)) == 1
    watch.notice(KRAKEN)
    assert read(watch, cache, now=NOW + 1) == []


# -- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["bot_status", "block_exchange", "opening_position"])
def test_any_of_its_hashes_makes_a_picture_dirty(key: str) -> None:
    watch = joined_watch()
    assert watch.notice(key)
    commands, later = due(watch)
    assert commands == [("HGETALL", name) for name in ("bot_status", "block_exchange", "opening_position")]
    assert later is None


def test_another_key_leaves_a_picture_as_it_is() -> None:
    watch = joined_watch()
    watch.notice("bot_status")
    assert not watch.notice("accounts")
    assert due(watch)[0]  # still dirty
    assert due(watch) == ([], None)


def test_a_picture_rests_after_a_read() -> None:
    watch = joined_watch()
    watch.notice_all()
    read(watch, Interpreter(), took=1.0)
    watch.notice("bot_status")
    assert due(watch) == ([], NOW + 1.0 + REST_PER_READ)
    assert due(watch, NOW + 1.0 + REST_PER_READ)[0]


# -- beacons ----------------------------------------------------------------------------------------------------------

BOT, ACTIVE = "process:data:bot:b1:1.5", "process:active:bot"


def beacon() -> bytes:
    return json.dumps({"heartbeat": WALL, "status": "running"}).encode()


def test_only_the_things_and_times_that_were_noticed_are_read() -> None:
    watch = beacon_watch()
    assert watch.notice(BOT)
    assert watch.notice(ACTIVE)
    assert not watch.notice("process:components")
    assert due(watch) == ([("GET", BOT), ("HGETALL", ACTIVE)], None)
    assert due(watch) == ([], None)


def test_the_passing_of_time_is_looked_at_without_asking_redis() -> None:
    watch, cache = beacon_watch(), Interpreter(**{BOT: beacon()})
    watch.notice(BOT)
    assert len(read(watch, cache)) == 1
    watch.tick()
    tasks, _ = watch.take(NOW, WALL + STALE_AFTER_S + 1)
    assert [next(task.reading) for task in tasks] == [[]]
    watch.tick()
    assert len(read(watch, cache, wall=WALL + STALE_AFTER_S + 1)) == 1


def test_what_is_gone_is_forgotten_and_not_asked_for_again() -> None:
    watch, cache = beacon_watch(), Interpreter(**{BOT: beacon()})
    watch.notice(BOT)
    watch.notice(ACTIVE)
    read(watch, cache)
    del cache.keys[BOT]
    watch.notice_all()
    assert [record.value for record in read(watch, cache)] == [None]
    watch.notice_all()
    assert due(watch) == ([("HGETALL", ACTIVE)], None)


def test_a_thing_that_came_while_another_was_read_is_not_forgotten() -> None:
    watch, cache = beacon_watch(), Interpreter(**{BOT: beacon()})
    watch.notice(BOT)
    (task,), _ = watch.take(NOW, WALL)
    cache.run(task.reading)
    watch.notice("process:data:bot:b2:1.5")
    finish(task, NOW, NOW)
    assert due(watch) == ([("GET", "process:data:bot:b2:1.5")], None)


@pytest.mark.parametrize(
    ("watch", "ages"), [(hash_watch(), False), (joined_watch(), False), (beacon_watch(), True)]
)
def test_only_beacons_change_by_time_alone(watch: Watch, ages: bool) -> None:
    assert watch.ages is ages
