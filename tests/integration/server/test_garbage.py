"""How seldom workers and relay look for cycles."""

import gc
from collections.abc import Iterator

import pytest

from cache_streams.server.garbage import COLLECT_AFTER, collect_seldom


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_the_start_made_is_no_work_of_later_collections(collector: None) -> None:
    made_at_start = [[number] for number in range(1000)]
    collect_seldom()
    assert gc.get_freeze_count() >= len(made_at_start)
    assert not any(each is made_at_start for each in gc.get_objects())


def test_cycles_that_come_later_are_still_collected(collector: None) -> None:
    class Cycle:
        alive = 0

        def __init__(self) -> None:
            self.itself = self
            Cycle.alive += 1

        def __del__(self) -> None:
            Cycle.alive -= 1

    collect_seldom()
    for _ in range(2 * COLLECT_AFTER[0]):
        Cycle()
    assert Cycle.alive <= COLLECT_AFTER[0]
