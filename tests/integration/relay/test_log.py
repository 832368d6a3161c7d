"""The log against a real Redis: fences, epochs, snapshots, retention."""

import pytest
from redis.asyncio import Redis

from cache_streams.connections import ask
from cache_streams.log import Fenced, Log, Moved, Verdict
from cache_streams.log_names import LogName
from cache_streams.places import START, entry_id, position
from cache_streams.streams.declaration import Stream
from cache_streams.streams.orders import ORDERS
from cache_streams.streams.tickers import TICKERS
from cache_streams.streams.trades import TRADES
from cache_streams.streams.update import Update


def log_of(redis: Redis, stream: Stream, partition: str = "kraken") -> Log:
    return Log(redis, LogName(stream.name, partition, "gw"), stream)


def update(seq: int, key: tuple[str, ...] = ("kraken", "BTC/USDC"), **fields: object) -> Update:
    return Update(key, seq, b'{"n":%d}' % seq, None, 0.0, **fields)  # type: ignore[arg-type]  # fields by case


async def kept(redis: Redis, log: Log) -> dict[str, bytes]:
    """Return what the keys of a log hold, as Redis dumps it."""
    names = (log.name.log, log.name.pos, log.name.last)
    dumps = {name: await ask(redis, "DUMP", name) for name in names}
    return {name: dump for name, dump in dumps.items() if dump}


async def put_back(redis: Redis, data: dict[str, bytes]) -> None:
    """Let Redis hold older data, and nothing else."""
    await ask(redis, "FLUSHALL")
    for name, dump in data.items():
        await ask(redis, "RESTORE", name, 0, dump)
    began = await redis.time()
    while (await redis.time())[1] // 1000 == began[1] // 1000:
        pass  # what is appended now has another id than what was appended before: no restart is quicker than that


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
    data = await kept(redis, log)
    newer = await append(log, 1, older.last_id, update(1))
    await put_back(redis, data)
    claimed = await log.claim(2, "e2", known_id=newer)
    assert (claimed.epoch, claimed.fresh) == ("e2", True)


async def test_an_own_append_whose_answer_was_lost_is_no_new_epoch(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    await append(log, 1, claimed.last_id, update(1))
    again = await log.claim(2, "e2", known_id=claimed.last_id)
    assert (again.epoch, again.fresh) == ("e1", False)


async def test_a_log_under_a_new_epoch_was_not_born_just_now(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    born = await log.claim(1, "e1")
    older = await kept(redis, log)
    known = await append(log, 1, born.last_id, update(1))
    await put_back(redis, older)
    renewed = await log.claim(2, "e2", known_id=known)
    assert (born.born, renewed.fresh, renewed.born) == (True, True, False)


async def test_a_claimant_that_knows_an_entry_which_others_replaced_mints_an_epoch(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    older = await kept(redis, log)
    known = await append(log, 1, claimed.last_id, update(1))
    await put_back(redis, older)
    await append(log, 1, claimed.last_id, update(1))
    again = await log.claim(2, "e2", known_id=known)
    assert (again.epoch, again.fresh) == ("e2", True)


async def test_a_claimant_that_comes_late_to_other_contents_leaves_the_epoch_that_tells_of_them(
    redis: Redis,
) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    older = await kept(redis, log)
    known = await append(log, 1, claimed.last_id, update(1))
    await put_back(redis, older)
    noticed = await log.compare("e1", position(known), "e2")
    await append(log, 1, entry_id(noticed.standing), update(1))
    again = await log.claim(2, "e3", known_id=known)
    assert (again.epoch, again.fresh) == ("e2", False)


async def test_a_log_that_holds_the_entry_last_read_is_the_same(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    read = position(claimed.last_id)
    end = await append(log, 1, claimed.last_id, update(1))
    assert await log.compare("e1", read, "e9") == (Verdict.SAME, "e1", position(end))


async def test_a_reader_that_knows_more_than_the_log_gives_it_a_new_epoch(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    older = await kept(redis, log)
    read = position(await append(log, 1, claimed.last_id, update(1)))
    await put_back(redis, older)
    found = await log.compare("e1", read, "e9")
    assert (found.verdict, found.epoch) == (Verdict.NEW, "e9")
    assert await log.standing() == ("e9", found.standing)


async def test_a_log_that_went_on_from_older_data_is_another_though_it_ends_above_what_was_read(
    redis: Redis,
) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    older = await kept(redis, log)
    read = position(await append(log, 1, claimed.last_id, update(1)))
    await put_back(redis, older)
    end = position(await append(log, 1, claimed.last_id, update(1)))
    assert end > read
    assert (await log.compare("e1", read, "e9")).verdict is Verdict.NEW


async def test_the_second_reader_that_compares_finds_the_epoch_of_the_first(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    older = await kept(redis, log)
    read = position(await append(log, 1, claimed.last_id, update(1)))
    await put_back(redis, older)
    await log.compare("e1", read, "e8")
    second = await log.compare("e1", read, "e9")
    assert (second.verdict, second.epoch) == (Verdict.OTHER, "e8")


async def test_a_log_that_was_trimmed_past_what_was_read_keeps_its_epoch(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    claimed = await log.claim(1, "e1")
    read, end = position(claimed.last_id), await append(log, 1, claimed.last_id, update(1))
    await redis.xtrim(log.name.log, maxlen=1, approximate=False)
    assert await log.compare("e1", read, "e9") == (Verdict.TRIMMED, "e1", position(end))


async def test_a_log_that_is_gone_is_another(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    read = position((await log.claim(1, "e1")).last_id)
    await redis.flushall()
    assert await log.compare("e1", read, "e9") == (Verdict.OTHER, None, START)


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


async def test_a_log_never_holds_much_more_than_its_declared_length(redis: Redis) -> None:
    log = log_of(redis, TICKERS)
    last = (await log.claim(1, "e1")).last_id
    for first in range(1, 3001, 100):
        last = await append(log, 1, last, *(update(seq) for seq in range(first, first + 100)))
    assert await ask(redis, "XLEN", log.name.log) <= 1100
