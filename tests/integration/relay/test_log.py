"""The log against a real Redis: fences, epochs, snapshots, retention."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from cache_streams.connections import ask, new_redis
from cache_streams.log import Fenced, Log, Moved
from cache_streams.log_names import LogName
from cache_streams.places import START, Position, entry_id, position
from cache_streams.server.embedded_redis import EmbeddedRedis
from cache_streams.streams.declaration import Stream
from cache_streams.streams.orders import ORDERS
from cache_streams.streams.tickers import TICKERS
from cache_streams.streams.trades import TRADES
from cache_streams.streams.update import Update


@pytest.fixture
async def redis(fresh_redis: EmbeddedRedis) -> AsyncIterator[Redis]:
    client = new_redis()
    yield client
    await client.aclose()


def log_of(redis: Redis, stream: Stream, partition: str = "kraken") -> Log:
    return Log(redis, LogName(stream.name, partition, "gw"), stream)


def update(seq: int, key: tuple[str, ...] = ("kraken", "BTC/USDC"), **fields: object) -> Update:
    return Update(key, seq, b'{"n":%d}' % seq, None, 0.0, **fields)  # type: ignore[arg-type]  # fields by case


async def append(log: Log, fence: int, expected: str, *updates: Update) -> str:
    return await log.append(fence, expected, updates, {}, 1000)


async def test_the_first_claim_mints_the_epoch_as_the_first_entry(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    (entry,) = await log.range(START, position("9" * 15), 10)
    assert (claimed.epoch, claimed.fresh, entry.epoch, entry_id(entry.position)) == (
        "e1",
        True,
        "e1",
        claimed.last_id,
    )


async def test_a_later_claim_keeps_the_epoch(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    await log.claim(1, "e1")
    claimed = await log.claim(2, "e2")
    assert (claimed.epoch, claimed.fresh) == ("e1", False)


async def test_an_append_under_an_older_fence_writes_nothing(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    stale = await log.claim(1, "e1")
    await log.claim(2, "e2")
    with pytest.raises(Fenced) as fenced:
        await append(log, 1, stale.last_id, update(1))
    assert fenced.value.token == 2
    assert (await log.standing())[1] == position(stale.last_id)
    assert (await log.snapshot(())).keys == ()


async def test_a_claim_under_an_older_fence_is_refused(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    await log.claim(2, "e1")
    with pytest.raises(Fenced):
        await log.claim(1, "e2")


async def test_an_append_at_an_unexpected_position_writes_nothing(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    await append(log, 1, claimed.last_id, update(1))
    with pytest.raises(Moved):
        await append(log, 1, claimed.last_id, update(2))
    assert [key.seq for key in (await log.snapshot(())).keys] == [1]


async def test_an_append_after_a_flush_is_refused(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    await ask(redis, "FLUSHALL")
    with pytest.raises(Moved):
        await append(log, 1, claimed.last_id, update(1))


async def test_a_log_that_came_back_older_gets_a_new_epoch_before_any_append(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    older = await log.claim(1, "e1")
    dumps = {key: await ask(redis, "DUMP", key) for key in await ask(redis, "KEYS", "gw:*")}
    newer = await append(log, 1, older.last_id, update(1))
    await ask(redis, "FLUSHALL")
    for key, dump in dumps.items():
        await ask(redis, "RESTORE", key, 0, dump)
    claimed = await log.claim(2, "e2", known_id=newer)
    assert (claimed.epoch, claimed.fresh) == ("e2", True)


async def test_an_own_append_whose_answer_was_lost_is_no_new_epoch(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    await append(log, 1, claimed.last_id, update(1))
    again = await log.claim(2, "e2", known_id=claimed.last_id)
    assert (again.epoch, again.fresh) == ("e1", False)


async def test_a_reader_that_knows_more_than_the_log_gives_it_a_new_epoch(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    await log.claim(1, "e1")
    epoch, standing = await log.standing()
    assert epoch is not None
    assert await log.repudiate(epoch, standing, "e9")
    assert (await log.standing())[0] == "e9"


async def test_repudiating_a_log_that_moved_on_changes_nothing(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    await log.claim(1, "e1")
    assert not await log.repudiate("e1", Position((1, 1)), "e9")
    assert (await log.standing())[0] == "e1"


async def test_the_snapshot_of_a_value_is_its_newest_update_at_the_logs_position(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    last = await append(log, 1, claimed.last_id, update(1), update(2), update(1, ("kraken", "ETH/USDC")))
    state = await log.snapshot(("kraken", "BTC/USDC"))
    assert state.position == position(last)
    assert [[u.seq for u in key.updates] for key in state.keys] == [[2]]


async def test_the_snapshot_under_a_part_of_a_key_holds_the_keys_that_begin_so(redis: Redis) -> None:
    log = log_of(redis, ORDERS, "03")
    claimed = await log.claim(1, "e1")
    mine, alike, other = ("kraken", "account:1"), ("kraken2", "account:1"), ("binance", "account:1")
    await append(
        log, 1, claimed.last_id, *(update(1, key, element="O1", size=1) for key in (mine, alike, other))
    )
    assert [key.key for key in (await log.snapshot(("kraken",))).keys] == [mine]


async def test_the_snapshot_of_a_value_that_is_gone_keeps_its_sequence(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    await append(log, 1, claimed.last_id, update(1), update(2, deleted=True))
    (key,) = (await log.snapshot(())).keys
    assert (key.seq, key.updates) == (2, ())


async def test_the_snapshot_of_a_collection_holds_what_was_not_deleted(redis: Redis) -> None:
    log = log_of(redis, ORDERS, "03")
    claimed = await log.claim(1, "e1")
    changes = [
        update(1, element="O1", size=1),
        update(2, element="O2", size=2),
        update(3, element="O1", size=1, deleted=True),
    ]
    await append(log, 1, claimed.last_id, *changes)
    (key,) = (await log.snapshot(())).keys
    assert (key.seq, [u.element for u in key.updates]) == (3, ["O2"])


async def test_the_snapshot_of_a_tail_holds_the_newest_hundred_in_order(redis: Redis) -> None:
    log = log_of(redis, TRADES)
    claimed = await log.claim(1, "e1")
    await append(log, 1, claimed.last_id, *(update(seq) for seq in range(1, 151)))
    (key,) = (await log.snapshot(("kraken", "BTC/USDC"))).keys
    assert [u.seq for u in key.updates] == list(range(51, 151))


async def test_a_successor_finds_sequences_and_source_positions(redis: Redis) -> None:
    log = log_of(redis, TRADES)
    claimed = await log.claim(1, "e1")
    await log.append(1, claimed.last_id, [update(7)], {"trades:kraken:BTCUSDC": "7:abc"}, 1000)
    again = await log.claim(2, "e2")
    assert again.positions == {"trades:kraken:BTCUSDC": "7:abc"}
    assert list(again.seqs.values()) == [7]


async def test_trimming_by_age_keeps_the_position(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    last = claimed.last_id
    for first in range(1, 1001, 100):
        last = await append(log, 1, last, *(update(seq) for seq in range(first, first + 100)))
    await log.trim(position(last)[0] + 60_000)
    assert await ask(redis, "XLEN", log.name.log) < 200
    assert (await log.standing())[1] == position(last)


async def test_a_log_never_holds_much_more_than_its_declared_length(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    last = (await log.claim(1, "e1")).last_id
    for first in range(1, 3001, 100):
        last = await append(log, 1, last, *(update(seq) for seq in range(first, first + 100)))
    assert await ask(redis, "XLEN", log.name.log) <= 1100
