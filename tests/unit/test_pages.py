"""Pages of a log: what one proves, what it holds for whom, and which of its updates a later one replaces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cache_streams.log_entries import LogEntry
from cache_streams.pages import Page
from cache_streams.places import Position
from cache_streams.streams.update import Update

keys = st.sampled_from([("x", "A"), ("x", "B"), ("y", "A")])


def entry(at: int, key: tuple[str, str], *, superseded: bool = False) -> LogEntry:
    return LogEntry(Position((at, 0)), Update(key, at, b"{}", None, float(at), superseded=superseded))


@st.composite
def pages(draw: st.DrawFn) -> Page:
    """Draw a page that begins after 10; some entries hold no update."""
    times = sorted(draw(st.sets(st.integers(11, 60), max_size=30)))
    entries = [
        LogEntry(Position((at, 0)), None)
        if draw(st.integers(0, 5)) == 0
        else entry(at, draw(keys), superseded=draw(st.booleans()))
        for at in times
    ]
    return Page(Position((10, 0)), Position((61, 0)), entries)


@given(pages(), st.integers(0, 70))
def test_a_page_goes_on_only_after_its_beginning_or_an_entry_of_its_own(page: Page, at: int) -> None:
    seen = Position((at, 0))
    proof = {page.after, *(each.position for each in page.entries)}
    assert page.reaches_back_to(seen) == (seen in proof and seen < page.until)


@given(pages(), st.integers(10, 61), st.sampled_from([(), ("x",), ("x", "A"), ("z",)]))
def test_each_is_given_the_updates_of_its_keys_after_where_it_stands_oldest_first(
    page: Page, at: int, under: tuple[str, ...]
) -> None:
    wanted = [
        each
        for each in page.entries
        if each.update and each.position > (at, 0) and each.update.key[: len(under)] == under
    ]
    assert page.after_position(Position((at, 0)), under) == wanted
    assert page.after_position(Position((at, 0)), under) == wanted  # as it is found the second time


@given(pages())
def test_only_what_a_later_update_of_its_key_replaces_is_superseded(page: Page) -> None:
    updates = [each for each in page.entries if each.update is not None]
    for number, each in enumerate(updates):
        assert each.update is not None
        later = any(after.update and after.update.key == each.update.key for after in updates[number + 1 :])
        assert (each.position in page.superseded) == (each.update.superseded and later)


def test_a_page_weighs_what_its_updates_hold() -> None:
    page = Page(Position((0, 0)), Position((9, 0)), [entry(1, ("x", "A")), LogEntry(Position((2, 0)), None)])
    assert page.bytes == 2
