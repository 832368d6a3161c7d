from hypothesis import given
from hypothesis import strategies as st

from cache_streams.client.tracking import CURSORS_LIMIT, Place, Tracking, Verdict

changes = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 6)), max_size=40)


def place(number: int) -> Place:
    return Place(number, f"e.{number}")


@given(changes)
def test_in_a_lossless_subscription_each_key_rises_by_one_and_nothing_else_is_news(
    told: list[tuple[str, int]],
) -> None:
    tracking = Tracking(lossless=True)
    taken: dict[str, int] = {}
    for key, seq in told:
        verdict = tracking.update(key, place(seq))
        last = taken.get(key)
        wanted = (
            Verdict.NEWS
            if last is None or seq == last + 1
            else Verdict.REPEATED
            if seq <= last
            else Verdict.GAP
        )
        assert verdict is wanted
        if verdict is Verdict.NEWS:
            taken[key] = seq


@given(changes)
def test_where_values_may_be_skipped_only_repetitions_are_left_out(told: list[tuple[str, int]]) -> None:
    tracking = Tracking(lossless=False)
    newest: dict[str, int] = {}
    for key, seq in told:
        missed = seq - newest[key] - 1 if key in newest else 0
        assert tracking.missed(key, seq) == missed
        assert tracking.update(key, place(seq)) is (Verdict.REPEATED if missed < 0 else Verdict.NEWS)
        newest[key] = max(seq, newest.get(key, 0))


@given(st.integers(1, 5))
def test_a_state_that_was_cut_short_moves_no_cursor(parts: int) -> None:
    tracking = Tracking(lossless=True)
    tracking.update("a", place(1))
    for number in range(parts):
        tracking.snapshot(str(number), place(9), more=True)
    assert tracking.newest == "e.1"
    tracking.interrupt()
    tracking.snapshot("a", place(3), more=False)
    assert (tracking.newest, tracking.cursors()) == ("e.3", {"a": "e.3"})


def test_an_update_inside_a_state_waits_for_its_end_to_move_the_cursor() -> None:
    tracking = Tracking(lossless=True)
    tracking.snapshot("a", place(5), more=True)
    tracking.update("b", place(6))
    assert tracking.newest is None
    tracking.snapshot("c", place(5), more=False)
    assert tracking.newest == "e.5"


def test_the_places_of_logs_stay_until_keys_have_newer_ones_and_beside_them() -> None:
    tracking = Tracking(lossless=True)
    tracking.start_at({"log:0": "e.0", "log:1": "f.0"})
    tracking.update("a", place(1))
    assert tracking.placed
    assert tracking.cursors() == {"log:0": "e.0", "log:1": "f.0", "a": "e.1"}


def test_before_anything_was_told_there_is_no_place() -> None:
    assert not Tracking(lossless=True).placed


def test_a_place_that_is_known_is_not_replaced_by_an_answer() -> None:
    tracking = Tracking(lossless=True)
    tracking.start_at("e.1")
    tracking.start_at("e.2")
    assert tracking.newest == "e.1"


def test_a_request_carries_the_cursors_of_the_keys_that_changed_last() -> None:
    tracking = Tracking(lossless=True)
    for number in range(CURSORS_LIMIT + 10):
        tracking.update(str(number), place(number))
    tracking.update("0", place(CURSORS_LIMIT))
    assert tracking.cursor_of("0") is not None
    tracking.update("0", place(1))
    known = tracking.cursors()
    assert len(known) == CURSORS_LIMIT
    assert "1" not in known


def test_a_key_without_a_cursor_has_none() -> None:
    tracking = Tracking(lossless=False)
    tracking.update("a", Place(1, None))
    assert (tracking.cursor_of("a"), tracking.cursor_of("b"), tracking.cursors()) == (None, None, {})
