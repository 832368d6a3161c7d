import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.client.buffers import Buffer, Policy

keys = st.sampled_from("abc")
steps = st.lists(st.one_of(keys, st.none()), max_size=60)  # a key is put, None takes


def drained(buffer: Buffer[int]) -> list[tuple[int, int]]:
    taken = []
    while (each := buffer.take()) is not None:
        taken.append(each)
    return taken


@given(st.sampled_from([Policy.LATEST, Policy.DROP_OLDEST, Policy.RAISE]), st.integers(1, 5), steps)
def test_no_more_than_its_size_ever_waits(policy: Policy, size: int, given_steps: list[str | None]) -> None:
    buffer: Buffer[int] = Buffer(policy, size)
    for number, key in enumerate(given_steps):
        buffer.take() if key is None else buffer.put(key, number, 1)
        assert len(buffer) <= size


@given(st.integers(1, 5), st.lists(keys, max_size=60))
def test_latest_keeps_the_newest_of_each_key_that_has_room(size: int, puts: list[str]) -> None:
    buffer: Buffer[tuple[str, int]] = Buffer(Policy.LATEST, size)
    for number, key in enumerate(puts):
        buffer.put(key, (key, number), 1)
    newest = {key: number for number, key in enumerate(puts)}
    waiting = [buffer.take() for _ in range(len(buffer))]
    for taken in waiting:
        assert taken is not None
        (key, number), _ = taken
        assert newest[key] == number
    assert len({each[0][0] for each in waiting if each}) == min(size, len(newest))


@given(st.sampled_from([Policy.LATEST, Policy.DROP_OLDEST]), st.integers(1, 5), st.lists(keys, max_size=60))
def test_what_was_dropped_is_told_with_the_next_message_of_its_key(
    policy: Policy, size: int, puts: list[str]
) -> None:
    buffer: Buffer[str] = Buffer(policy, size)
    for key in puts:
        buffer.put(key, key, 1)
    told, kept = dict.fromkeys("abc", 0), dict.fromkeys("abc", 0)
    dropped = buffer.dropped
    for key in "abc":  # so that every key has a next message
        while (taken := buffer.take()) is not None:
            kept[taken[0]] += 1
            told[taken[0]] += taken[1]
        buffer.put(key, key, 1)
    taken = buffer.take()
    assert taken is not None
    told[taken[0]] += taken[1]
    assert sum(told.values()) == dropped
    for key in "abc":
        seen = kept[key] - (1 if key != "c" else 0)  # the messages that were put at the end
        assert seen + told[key] == puts.count(key)


@given(st.lists(keys, max_size=60))
def test_block_loses_nothing_and_keeps_the_order(puts: list[str]) -> None:
    buffer: Buffer[int] = Buffer(Policy.BLOCK, 3)
    for number, key in enumerate(puts):
        buffer.put(key, number, 1)
    assert drained(buffer) == [(number, 0) for number in range(len(puts))]


def test_raise_says_that_one_more_came_and_keeps_what_waits() -> None:
    buffer: Buffer[int] = Buffer(Policy.RAISE, 2)
    for number in range(3):
        buffer.put("a", number, 1)
    assert buffer.overflowed
    assert drained(buffer) == [(0, 0), (1, 0)]


def test_a_buffer_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        Buffer(Policy.BLOCK, 0)
