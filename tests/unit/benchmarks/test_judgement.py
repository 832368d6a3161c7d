"""The accounts of a drill: a fault of the gateway that they overlooked would pass for a proof."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.collector import Drain, Push
from benchmarks.judgement import Tally, kept_from_batch_writer, young_ids

AGE_S = 0.050
PUSHES = [Push(number, sent=number / 10, answered=number / 10 + 0.001) for number in range(1, 6)]


def tally_of(arrived: list[int], young: set[int] | None = None) -> Tally:
    tally = Tally()
    tally.count(PUSHES, young or set(), arrived)
    return tally


def test_a_complete_socket_has_no_fault() -> None:
    assert tally_of([1, 2, 3, 4, 5]) == Tally(due=5)


def test_a_trade_that_did_not_arrive_is_lost() -> None:
    assert tally_of([1, 2, 4, 5]) == Tally(due=5, lost=1)


def test_a_lost_trade_that_was_young_is_counted_apart() -> None:
    assert tally_of([1, 2, 4, 5], young={3, 4}) == Tally(due=5, young=2, young_lost=1)


def test_a_trade_that_arrives_twice_is_a_repeat() -> None:
    assert tally_of([1, 2, 2, 3, 4, 5]) == Tally(due=5, repeated=1)


def test_an_older_trade_after_a_newer_one_is_out_of_order() -> None:
    assert tally_of([1, 3, 2, 4, 5]) == Tally(due=5, disordered=1)


def test_a_trade_that_nobody_pushed_is_unknown() -> None:
    assert tally_of([1, 2, 3, 4, 5, 99]) == Tally(due=5, unknown=1)


def test_sockets_add_up() -> None:
    tally = tally_of([1, 2, 3, 4, 5])
    tally.count(PUSHES, set(), [])
    assert tally == Tally(due=10, lost=5)


def test_a_trade_pushed_shortly_before_a_drain_is_young() -> None:
    drain = Drain(read=0.3, deleting=0.32, deleted=0.33, trade_ids=(1, 2, 3))
    assert young_ids(PUSHES, [drain], AGE_S) == {3}


def test_a_trade_pushed_while_the_list_is_deleted_may_be_young() -> None:
    drain = Drain(read=0.29, deleting=0.295, deleted=0.305, trade_ids=(1, 2))
    assert young_ids(PUSHES, [drain], AGE_S) == {3}


def test_without_a_drain_no_trade_is_young() -> None:
    assert young_ids(PUSHES, [], AGE_S) == set()


@given(st.lists(st.floats(min_value=0.0, max_value=0.6), max_size=5).map(sorted))
def test_young_are_those_whose_next_drain_came_too_soon(moments: list[float]) -> None:
    drains = [Drain(at, at, at, ()) for at in moments]
    expected = {
        push.trade_id
        for push in PUSHES
        if (later := [at for at in moments if at >= push.sent]) and later[0] - push.answered < AGE_S
    }
    assert young_ids(PUSHES, drains, AGE_S) == expected


def test_a_trade_that_neither_a_drain_nor_the_list_has_was_taken_from_the_batch_writer() -> None:
    drain = Drain(read=0.45, deleting=0.46, deleted=0.47, trade_ids=(1, 2, 4))
    assert kept_from_batch_writer(PUSHES, [drain], [5]) == {3}


def test_a_trade_pushed_between_reading_and_deleting_is_the_batch_writers_own_loss() -> None:
    drain = Drain(read=0.25, deleting=0.35, deleted=0.36, trade_ids=(1, 2))
    assert kept_from_batch_writer(PUSHES, [drain], [4, 5]) == set()
