"""Chores run while this relay leads, and end with its lead."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from cache_streams.relay.chores import Chores, Wait

DEADLINE_S = 30.0


class Chore:
    """Counts how often it was begun; ``running`` while it is."""

    __name__ = "chore"

    def __init__(self) -> None:
        self.begun = 0
        self.running = threading.Event()
        self.ended = threading.Event()

    def __call__(self, wait: Wait) -> None:
        self.begun += 1
        self.ended.clear()
        self.running.set()
        while not wait(0.01):
            pass
        self.running.clear()
        self.ended.set()


@pytest.fixture
def chore() -> Chore:
    return Chore()


def started(leading: Callable[[], bool], chore: Chore) -> Chores:
    chores = Chores(leading, [chore])
    chores.start()
    return chores


def test_a_chore_begins_with_the_lead_ends_with_it_and_begins_again(chore: Chore) -> None:
    lead = threading.Event()
    chores = started(lead.is_set, chore)
    try:
        for _ in range(2):
            lead.set()
            assert chore.running.wait(DEADLINE_S)
            lead.clear()
            assert chore.ended.wait(DEADLINE_S)
        assert chore.begun == 2
    finally:
        chores.close()


def test_the_end_of_the_relay_ends_its_chores(chore: Chore) -> None:
    chores = started(lambda: True, chore)
    assert chore.running.wait(DEADLINE_S)
    chores.close()
    assert chore.ended.is_set()


def test_a_chore_that_fails_is_tried_again() -> None:
    again = threading.Event()
    failures = iter([ZeroDivisionError])

    def failing(wait: Wait) -> None:
        for failure in failures:
            raise failure
        again.set()

    chores = Chores(lambda: True, [failing])
    chores.start()
    assert again.wait(DEADLINE_S)
    chores.close()
