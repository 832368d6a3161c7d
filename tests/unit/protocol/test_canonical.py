"""The plainest rendition shows canonical objects and nothing else."""

from cache_streams.protocol.canonical import CANONICAL
from cache_streams.streams.update import KeySnapshot, Update


def update(seq: int, data: bytes, *, deleted: bool = False) -> Update:
    return Update(("k",), seq, data, None, 0.0, deleted=deleted)


def test_a_snapshot_is_every_object_of_every_key_oldest_first() -> None:
    keys = [
        KeySnapshot(("a",), 2, (update(1, b"1"), update(2, b"2"))),
        KeySnapshot(("b",), 1, (update(1, b"3"),)),
    ]
    assert CANONICAL.snapshot(keys, 0.0) == [b"1", b"2", b"3"]


def test_an_update_is_the_object_after_the_change() -> None:
    assert CANONICAL.update(update(3, b'{"deleted":"x"}', deleted=True), 0.0) == (b'{"deleted":"x"}',)
