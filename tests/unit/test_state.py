"""State kept by applying updates equals state computed from all of them."""

import hypothesis.strategies as st
from hypothesis import given

from cache_streams.state import KeyStates
from cache_streams.streams.declaration import SNAPSHOT_TAIL, Kind
from cache_streams.streams.update import KeySnapshot, Update

CHANGES = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.booleans()), max_size=300)


def numbered(kind: Kind, changes: list[tuple[str, str, bool]]) -> list[Update]:
    seqs: dict[str, int] = {}
    updates = []
    for at, (key, element, deleted) in enumerate(changes):
        seqs[key] = seqs.get(key, 0) + 1
        updates.append(
            Update(
                (key,),
                seqs[key],
                b"%d" % at,
                None,
                float(at),
                element=element if kind is Kind.COLLECTION else None,
                deleted=deleted and kind is not Kind.TAIL,
            )
        )
    return updates


def expected(kind: Kind, updates: list[Update], key: str) -> list[Update]:
    own = [update for update in updates if update.key == (key,)]
    if kind is Kind.TAIL:
        return own[-SNAPSHOT_TAIL:]
    newest = {update.element: update for update in own}
    return sorted((u for u in newest.values() if not u.deleted), key=lambda update: update.seq)


def held(states: KeyStates) -> dict[str, tuple[int, list[Update]]]:
    return {snapshot.key[0]: (snapshot.seq, list(snapshot.updates)) for snapshot in states.snapshots()}


@given(st.sampled_from(Kind), CHANGES, st.data())
def test_old_snapshot_and_updates_make_the_new_snapshot(
    kind: Kind, changes: list[tuple[str, str, bool]], data: st.DataObject
) -> None:
    updates = numbered(kind, changes)
    split = data.draw(st.integers(0, len(updates)))
    first = KeyStates(kind)
    for update in updates[:split]:
        first.apply(update)
    later = KeyStates(kind, first.snapshots())
    for update in updates[split:]:
        later.apply(update)
    for key, (seq, found) in held(later).items():
        own = [update for update in updates if update.key == (key,)]
        assert (seq, sorted(found, key=lambda u: u.seq)) == (own[-1].seq, expected(kind, updates, key))
    assert later.total == len(updates)


@given(st.sampled_from(Kind), CHANGES)
def test_an_update_applied_again_changes_nothing(kind: Kind, changes: list[tuple[str, str, bool]]) -> None:
    states = KeyStates(kind)
    for update in numbered(kind, changes):
        states.apply(update)
    before = held(states)
    for update in numbered(kind, changes):
        states.apply(update)
    assert held(states) == before


@given(st.sampled_from([Kind.VALUE, Kind.COLLECTION]), CHANGES, st.data())
def test_what_changed_since_is_the_newest_of_each_element_in_order(
    kind: Kind, changes: list[tuple[str, str, bool]], data: st.DataObject
) -> None:
    updates = numbered(kind, changes)
    total = data.draw(st.integers(0, len(updates)))
    states = KeyStates(kind)
    for update in updates:
        states.apply(update)
    later = {(u.key, u.element): u for u in updates[total:]}
    assert states.changed_since(total) == sorted(later.values(), key=lambda u: u.accepted_time)


def test_what_changed_in_a_tail_is_every_entry_that_is_still_held() -> None:
    states = KeyStates(Kind.TAIL)
    for update in numbered(Kind.TAIL, [("a", "x", False)] * 150):
        states.apply(update)
    assert [u.seq for u in states.changed_since(145)] == [146, 147, 148, 149, 150]
    assert len(states.changed_since(0)) == SNAPSHOT_TAIL


def test_a_snapshot_says_where_in_the_log_it_held() -> None:
    states = KeyStates(Kind.VALUE, [KeySnapshot(("a",), 3, ())])
    assert [snapshot.cursor for snapshot in states.snapshots("e.1-0")] == ["e.1-0"]
