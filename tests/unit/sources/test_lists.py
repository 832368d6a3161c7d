"""Readers of lists: tails that somebody else drains, and bars whose last one still changes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.metrics import MALFORMED, TAIL_SKIPPED
from cache_streams.sources import lists
from cache_streams.sources.lists import PAGE, REMEMBERED_IDS, BarReader, TailReader
from cache_streams.streams.declaration import SNAPSHOT_TAIL, Bars, ListTail, Record
from cache_streams.streams.ohlcv import OHLCV, Bar
from cache_streams.streams.trades import TRADES, Trade
from tests.counts import count, counted
from tests.unit.sources.interpreter import Interpreter

NAMES = {"exchange": "kraken", "symbol": "BTC/USDC"}


def tail_reader(stored: str | None = None) -> TailReader:
    assert isinstance(TRADES.layout, ListTail)
    return TailReader(TRADES, TRADES.layout, "trades", stored)


def trade(number: int, trade_id: object = None) -> bytes:
    return json.dumps({"trade_id": trade_id, "price": number, "volume": 1}).encode()


def trades(*numbers: int) -> list[bytes]:
    """Return trades with ids."""
    return [trade(number, number) for number in numbers]


def numbers(records: list[Record]) -> list[float]:
    return [record.value.price for record in records if isinstance(record.value, Trade)]


def look(cache: Interpreter, reader: TailReader) -> list[float]:
    return numbers(cache.run(reader.read(NAMES)))


# -- tails ------------------------------------------------------------------------------------------------------------


def test_a_list_that_grew_gives_what_was_pushed() -> None:
    cache, reader = Interpreter(trades=trades(1, 2)), tail_reader()
    assert look(cache, reader) == [1, 2]
    assert look(cache, reader) == []
    cache.keys["trades"] += trades(3)
    assert look(cache, reader) == [3]


def test_a_drained_list_gives_nothing_and_what_follows_is_new() -> None:
    cache, reader = Interpreter(trades=trades(1, 2)), tail_reader()
    look(cache, reader)
    del cache.keys["trades"]
    assert look(cache, reader) == []
    cache.keys["trades"] = trades(3)
    assert look(cache, reader) == [3]


@pytest.mark.parametrize("refill", [1, 2, 3])
def test_a_list_drained_and_refilled_unseen_is_all_new_however_long_it_is(refill: int) -> None:
    cache, reader = Interpreter(trades=trades(1, 2)), tail_reader()
    look(cache, reader)
    cache.keys["trades"] = trades(*range(10, 10 + refill))
    assert look(cache, reader) == list(range(10, 10 + refill))


def test_a_list_drained_between_the_two_looks_of_one_reading_is_read_as_it_then_stands() -> None:
    cache, reader = Interpreter(trades=trades(1, 2, 3)), tail_reader()
    look(cache, reader)
    cache.keys["trades"] = trades(4)

    def refill(_round: int) -> None:
        cache.keys["trades"] = trades(5, 6)

    assert numbers(cache.run(reader.read(NAMES), refill)) == [5, 6]
    assert look(cache, reader) == []


def test_a_successor_goes_on_at_the_stored_position() -> None:
    cache, reader = Interpreter(trades=trades(1, 2)), tail_reader()
    look(cache, reader)
    cache.keys["trades"] += trades(3)
    assert look(cache, tail_reader(reader.position)) == [3]


def test_a_successor_sees_that_the_list_was_drained_meanwhile() -> None:
    cache, reader = Interpreter(trades=trades(1, 2)), tail_reader()
    look(cache, reader)
    cache.keys["trades"] = trades(3, 4, 5)
    assert look(cache, tail_reader(reader.position)) == [3, 4, 5]


def test_an_untouched_list_leaves_the_position_where_it_is() -> None:
    cache, reader = Interpreter(trades=trades(1, 2)), tail_reader()
    look(cache, reader)
    before = reader.position
    look(cache, reader)
    assert reader.position == before


def test_an_id_that_was_there_already_is_dropped_and_counted() -> None:
    cache, reader = Interpreter(trades=trades(1, 2)), tail_reader()
    look(cache, reader)
    cache.keys["trades"] += [trade(99, 2), trade(3, 3)]
    with counted(TAIL_SKIPPED, "trades", "repeated_id"):
        assert look(cache, reader) == [3]


def test_ids_are_forgotten_when_enough_newer_ones_came() -> None:
    cache, reader = Interpreter(trades=trades(*range(REMEMBERED_IDS + 1))), tail_reader()
    look(cache, reader)
    cache.keys["trades"] += [trade(1, 1), trade(0, 0)]
    with counted(TAIL_SKIPPED, "trades", "repeated_id", times=1):
        assert look(cache, reader) == [0]


def test_equal_elements_without_ids_are_all_told() -> None:
    cache, reader = Interpreter(trades=[trade(1), trade(1)]), tail_reader()
    assert look(cache, reader) == [1, 1]
    cache.keys["trades"] += [trade(1)]
    assert look(cache, reader) == [1]


def test_a_list_longer_than_a_page_is_read_page_by_page() -> None:
    pages = 2 * PAGE + 500
    cache, reader = Interpreter(trades=trades(*range(pages))), tail_reader()
    read, looks, unread = [], 0, True
    while unread:
        read += look(cache, reader)
        looks, unread = looks + 1, reader.unread
    assert read == list(range(pages))
    assert looks == 3
    assert look(cache, reader) == []


def test_a_list_of_just_one_page_is_looked_at_once_more_at_most() -> None:
    cache, reader = Interpreter(trades=trades(*range(PAGE))), tail_reader()
    assert len(look(cache, reader)) == PAGE
    assert reader.unread
    assert look(cache, reader) == []
    assert not reader.unread


def test_the_first_start_takes_only_a_snapshots_worth_and_counts_the_rest() -> None:
    cache, reader = Interpreter(trades=trades(*range(SNAPSHOT_TAIL + 50))), tail_reader()
    with counted(TAIL_SKIPPED, "trades", "before_first_start", times=50):
        records = cache.run(reader.read(NAMES, baseline=True))
    assert numbers(records) == list(range(50, SNAPSHOT_TAIL + 50))
    cache.keys["trades"] += trades(1000)
    assert look(cache, reader) == [1000]


def test_a_push_during_the_first_look_is_neither_lost_nor_told_twice() -> None:
    cache, reader = Interpreter(trades=trades(1, 2)), tail_reader()
    reading = reader.read(NAMES, baseline=True)
    before, newest, after = (cache.answer(command) for command in next(reading))
    again = reading.send([before, newest, after + 1])
    cache.keys["trades"] += trades(3)
    with pytest.raises(StopIteration) as stop:
        reading.send([cache.answer(command) for command in again])
    assert numbers(stop.value.value) == [1, 2, 3]
    assert look(cache, reader) == []


def test_the_first_start_of_an_empty_list_leaves_nothing_behind() -> None:
    cache, reader = Interpreter(), tail_reader()
    assert cache.run(reader.read(NAMES, baseline=True)) == []
    cache.keys["trades"] = trades(1)
    assert look(cache, reader) == [1]


@pytest.mark.parametrize("baseline", [True, False])
def test_a_key_of_another_type_is_counted_and_read_as_empty(baseline: bool) -> None:
    cache, reader = Interpreter(trades=b"text"), tail_reader()
    with counted(MALFORMED, "trades", "wrong_type"):
        assert cache.run(reader.read(NAMES, baseline=baseline)) == []
    cache.keys["trades"] = trades(1)
    assert look(cache, reader) == [1]


def test_an_element_that_cannot_be_read_is_counted_and_its_neighbours_live() -> None:
    cache, reader = Interpreter(trades=[trade(1, 1), b"{", trade(2, 2)]), tail_reader()
    with counted(MALFORMED, "trades", "json"):
        assert look(cache, reader) == [1, 2]
        assert look(cache, reader) == []


_STEPS = st.lists(st.one_of(st.integers(1, 7), st.sampled_from(["read", "drain", "successor"])), max_size=40)


@pytest.mark.parametrize("ids", [True, False])
@given(steps=_STEPS)
def test_whatever_stood_in_the_list_at_a_look_is_told_once_and_in_order(
    ids: bool, steps: list[int | str]
) -> None:
    cache, reader = Interpreter(trades=[]), tail_reader()
    pushed, seen, told = 0, set[int](), list[float]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lists, "PAGE", 5)
        for step in [*steps, "read"]:
            if isinstance(step, int):
                cache.keys["trades"] += [trade(n, n if ids else None) for n in range(pushed, pushed + step)]
                pushed += step
            elif step == "drain":
                cache.keys["trades"] = []
            elif step == "successor":
                reader = tail_reader(reader.position)
            else:
                seen |= {json.loads(raw)["price"] for raw in cache.keys["trades"]}
                told += look(cache, reader)
                while reader.unread:
                    told += look(cache, reader)
    assert told == sorted(seen)


# -- bars -------------------------------------------------------------------------------------------------------------

MINUTE = {"symbol": "BTC/USDC", "timeframe": "1m"}


def bar_reader() -> BarReader:
    assert isinstance(OHLCV.layout, Bars)
    return BarReader(OHLCV, OHLCV.layout, "bars", MINUTE)


def bar(minute: int, close: float = 1.0) -> bytes:
    return json.dumps([minute * 60, 1, 2, 0.5, close, 10]).encode()


def told(records: list[Record]) -> list[tuple[int, float, bool]]:
    """Return minute, closing price and whether it is closed, of each bar."""
    values = [record.value for record in records]
    return [(int(v.time) // 60, v.close, v.closed) for v in values if isinstance(v, Bar)]


def at(minute: float) -> float:
    return minute * 60.0


def test_every_bar_of_a_new_list_is_told_and_the_last_is_open() -> None:
    cache = Interpreter(bars=[bar(1), bar(2), bar(3)])
    assert told(cache.run(bar_reader().read(at(3.5)))) == [(1, 1.0, True), (2, 1.0, True), (3, 1.0, False)]


def test_of_an_old_cache_only_the_newest_bar_is_told() -> None:
    cache, reader = Interpreter(bars=[bar(1), bar(2)]), bar_reader()
    assert told(cache.run(reader.read(at(2.5), baseline=True))) == [(2, 1.0, False)]
    cache.keys["bars"] += [bar(3)]
    assert told(cache.run(reader.read(at(3.1)))) == [(2, 1.0, True), (3, 1.0, False)]


def test_an_empty_list_tells_nothing_at_the_start() -> None:
    assert Interpreter().run(bar_reader().read(at(1), baseline=True)) == []


def test_the_open_bars_change_is_told_whether_it_was_replaced_or_pushed_again() -> None:
    cache, reader = Interpreter(bars=[bar(1), bar(2)]), bar_reader()
    cache.run(reader.read(at(2.5)))
    cache.keys["bars"][-1] = bar(2, 1.5)
    assert told(cache.run(reader.read(at(2.5)))) == [(2, 1.5, False)]
    cache.keys["bars"] += [bar(2, 1.7)]
    assert told(cache.run(reader.read(at(2.5)))) == [(2, 1.7, False)]


def test_a_bar_pushed_twice_is_told_once() -> None:
    cache, reader = Interpreter(bars=[bar(1), bar(1)]), bar_reader()
    assert told(cache.run(reader.read(at(1.5)))) == [(1, 1.0, False)]
    cache.keys["bars"] += [bar(1)]
    assert cache.run(reader.read(at(1.5))) == []


def test_a_bar_is_closed_by_its_successor_with_its_last_values_before_its_time_is_over() -> None:
    cache, reader = Interpreter(bars=[bar(1, 1.5)]), bar_reader()
    cache.run(reader.read(at(1.5)))
    cache.keys["bars"] += [bar(2)]
    assert told(cache.run(reader.read(at(1.9)))) == [(1, 1.5, True), (2, 1.0, False)]


def test_a_bar_is_closed_by_time_once() -> None:
    cache, reader = Interpreter(bars=[bar(1)]), bar_reader()
    cache.run(reader.read(at(1.5)))
    assert reader.age(at(1.9)) == []
    assert told(reader.age(at(2))) == [(1, 1.0, True)]
    assert reader.age(at(3)) == []
    cache.keys["bars"] += [bar(2)]
    assert told(cache.run(reader.read(at(2.5)))) == [(2, 1.0, False)]


def test_before_the_first_look_nothing_ages() -> None:
    assert bar_reader().age(at(1)) == []


def test_a_bar_older_than_the_newest_is_skipped_and_counted() -> None:
    cache, reader = Interpreter(bars=[bar(5)]), bar_reader()
    cache.run(reader.read(at(5.5)))
    cache.keys["bars"] += [bar(3), bar(6)]
    with counted(MALFORMED, "ohlcv", "out_of_order"):
        assert told(cache.run(reader.read(at(6.5)))) == [(5, 1.0, True), (6, 1.0, False)]


def test_an_older_bar_that_was_corrected_is_skipped_and_counted() -> None:
    cache, reader = Interpreter(bars=[bar(1), bar(2)]), bar_reader()
    cache.run(reader.read(at(2.5)))
    cache.keys["bars"][0] = bar(1, 7.0)
    with counted(MALFORMED, "ohlcv", "out_of_order"):
        assert cache.run(reader.read(at(2.5))) == []


def test_cutting_off_old_bars_is_no_change() -> None:
    cache, reader = Interpreter(bars=[bar(minute) for minute in range(10)]), bar_reader()
    cache.run(reader.read(at(9.5)))
    before = count(MALFORMED, "ohlcv", "out_of_order")
    cache.keys["bars"] = [*cache.keys["bars"][4:], bar(10)]
    assert told(cache.run(reader.read(at(10.5)))) == [(9, 1.0, True), (10, 1.0, False)]
    del cache.keys["bars"][:5]
    assert cache.run(reader.read(at(10.5))) == []
    assert count(MALFORMED, "ohlcv", "out_of_order") == before


def test_a_list_longer_than_the_window_moves_with_it() -> None:
    cache, reader = Interpreter(bars=[bar(minute) for minute in range(PAGE)]), bar_reader()
    assert len(cache.run(reader.read(at(PAGE)))) == PAGE
    cache.keys["bars"] += [bar(PAGE), bar(PAGE + 1)]
    assert [minute for minute, _, _ in told(cache.run(reader.read(at(PAGE + 5))))] == [PAGE, PAGE + 1]


def test_a_list_drained_and_written_anew_tells_only_what_is_new() -> None:
    cache, reader = Interpreter(bars=[bar(1), bar(2)]), bar_reader()
    cache.run(reader.read(at(2.5)))
    cache.keys["bars"] = []
    assert cache.run(reader.read(at(2.5))) == []
    cache.keys["bars"] = [bar(2), bar(3)]
    assert told(cache.run(reader.read(at(3.5)))) == [(2, 1.0, True), (3, 1.0, False)]


def test_a_successor_goes_on_after_the_newest_bar_of_the_log() -> None:
    cache, first = Interpreter(bars=[bar(1), bar(2)]), bar_reader()
    last = cache.run(first.read(at(2.5)))[-1]
    cache.keys["bars"] += [bar(3), bar(4)]
    successor = bar_reader()
    successor.resume(last)
    assert told(cache.run(successor.read(at(4.5)))) == [
        (2, 1.0, True), (3, 1.0, True), (4, 1.0, False),
    ]  # fmt: skip


def test_a_successor_tells_the_bar_of_the_log_once_when_it_finds_it_again() -> None:
    cache, first = Interpreter(bars=[bar(1), bar(2)]), bar_reader()
    last = cache.run(first.read(at(2.5)))[-1]
    successor = bar_reader()
    successor.resume(last)
    assert cache.run(successor.read(at(2.5))) == [last]
    cache.keys["bars"].append(bar(2))
    assert cache.run(successor.read(at(2.5))) == []


def test_a_bar_that_cannot_be_read_is_counted_and_its_neighbours_live() -> None:
    cache = Interpreter(bars=[bar(1), b"[1,2]", bar(2)])
    with counted(MALFORMED, "ohlcv", "bar"):
        assert [minute for minute, _, _ in told(cache.run(bar_reader().read(at(5))))] == [1, 2]


def test_bars_of_another_type_are_counted_and_read_as_empty() -> None:
    with counted(MALFORMED, "ohlcv", "wrong_type"):
        assert Interpreter(bars=b"text").run(bar_reader().read(at(1))) == []


_MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(0, 2), st.integers(1, 9)),
        st.tuples(st.sampled_from(["cut", "read"]), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@given(_MOVES)
def test_every_bar_that_a_look_finds_is_told_and_the_last_word_on_it_counts(
    moves: list[tuple[str, int, int]],
) -> None:
    cache, reader = Interpreter(bars=[]), bar_reader()
    minute, found, ended = 1, dict[int, float](), dict[int, float]()
    order: list[int] = []
    for move, ahead, close in [*moves, ("read", 0, 0)]:
        if move == "push":
            minute += ahead
            cache.keys["bars"] += [bar(minute, close)]
        elif move == "cut":
            cache.keys["bars"] = cache.keys["bars"][-2:]
        else:
            found |= {int(json.loads(raw)[0]) // 60: json.loads(raw)[4] for raw in cache.keys["bars"]}
            for time, price, _ in told(cache.run(reader.read(at(0)))):
                ended[time] = price
                order.append(time)
    assert ended == found
    assert order == sorted(order)
