"""A replay keeps the log's order and spacing, divided by its speed, and never waits for what is late."""

from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol.tempo import GRAIN_S, Tempo

times = st.integers(min_value=1_600_000_000_000, max_value=2_000_000_000_000)
days = st.integers(min_value=0, max_value=86_400_000)
speeds = st.floats(min_value=1.0, max_value=1000.0)
clocks = st.floats(min_value=0.0, max_value=1e6)


@given(times, days, days, speeds, clocks)
def test_two_entries_are_as_far_apart_as_they_were_divided_by_the_speed(
    first: int, one: int, other: int, speed: float, now: float
) -> None:
    tempo = Tempo(first, speed, now)
    apart = tempo.due(first + other) - tempo.due(first + one)
    assert abs(apart - (other - one) / 1000 / speed) < 1e-6


@given(times, speeds, clocks)
def test_the_first_entry_is_due_at_once(first: int, speed: float, now: float) -> None:
    assert Tempo(first, speed, now).due(first) == now
    assert Tempo(first, speed, now).pause_s(first, now) == 0.0


@given(times, st.lists(days, min_size=2), speeds, clocks)
def test_what_came_earlier_is_never_due_later(
    first: int, offsets: list[int], speed: float, now: float
) -> None:
    tempo = Tempo(first, speed, now)
    dues = [tempo.due(first + offset) for offset in sorted(offsets)]
    assert dues == sorted(dues)


@given(times, days, speeds, clocks, st.floats(min_value=0.0, max_value=1e5))
def test_a_pause_ends_when_the_entry_is_due_and_is_none_for_what_is_late(
    first: int, offset: int, speed: float, began: float, passed: float
) -> None:
    tempo, now = Tempo(first, speed, began), began + passed
    pause = tempo.pause_s(first + offset, now)
    assert pause == 0.0 or pause > GRAIN_S
    if pause:
        assert abs(now + pause - tempo.due(first + offset)) < 1e-6
    else:
        assert tempo.due(first + offset) - now <= GRAIN_S


@given(times, days, speeds, clocks)
def test_a_replay_whose_reader_keeps_up_lasts_what_the_past_lasted_divided_by_the_speed(
    first: int, lasted: int, speed: float, now: float
) -> None:
    tempo, clock = Tempo(first, speed, now), now
    for step in range(11):
        clock += tempo.pause_s(first + lasted * step // 10, clock)
    assert lasted / 1000 / speed - GRAIN_S - 1e-6 <= clock - now <= lasted / 1000 / speed + 1e-6
