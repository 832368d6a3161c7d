"""Targets: each outlet gets every frame, behind its own prefix, in order, and one write for all of them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.outlet import CLOSED, DESCRIPTORS, SinkOutlet, text_header
from cache_streams.targets import Targets, hand_over
from cache_streams.threads import JOBS
from tests.recording import RecordingOutlet, RecordingSink

BODIES = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=8)
PREFIXES = st.lists(st.sampled_from([b"", b"a", b"bb", b"cc"]), min_size=1, max_size=6)


class SocketSink(RecordingSink):
    """A sink with a socket of its own; ``frames`` are those that its transport was given instead."""

    def __init__(self) -> None:
        super().__init__()
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.theirs.setblocking(False)
        self.descriptor = self.ours.fileno()

    def received(self) -> bytes:
        """Return what has arrived at the other end since the last call."""
        parts: list[bytes] = []
        try:
            while part := self.theirs.recv(65536):
                parts.append(part)
        except BlockingIOError:
            pass
        return b"".join(parts)

    def fill(self) -> int:
        """Write until the kernel takes no more; return how many bytes that were."""
        filled = 0
        try:
            while True:
                filled += self.ours.send(b"-" * 4096)
        except BlockingIOError:
            return filled


@contextmanager
def socket_sinks(count: int) -> Iterator[list[SocketSink]]:
    sinks = [SocketSink() for _ in range(count)]
    DESCRIPTORS.changes += 1
    try:
        yield sinks
    finally:
        for sink in sinks:
            sink.ours.close()
            sink.theirs.close()


def framed(payloads: Sequence[bytes]) -> bytes:
    return b"".join(text_header(len(payload)) + payload for payload in payloads)


def deliver(targets: Targets, bodies: Sequence[bytes]) -> None:
    hand_over([(targets, body) for body in bodies])


def unlike(targets: Targets, bodies: Sequence[bytes]) -> None:
    """Deliver in a step in which somebody else is told something, too."""
    other = Targets([(SinkOutlet(RecordingSink()), b"")])
    hand_over([(other, b"for another"), *((targets, body) for body in bodies)])


@given(BODIES, PREFIXES)
def test_each_socket_is_written_to_once_with_every_frame_in_order(
    bodies: list[bytes], prefixes: list[bytes]
) -> None:
    sinks = [RecordingSink() for _ in prefixes]
    wanted = [(SinkOutlet(sink), prefix) for sink, prefix in zip(sinks, prefixes, strict=True)]
    deliver(Targets(wanted), bodies)
    told = [sink.frames for sink in sinks]
    assert told == [[framed([prefix + body for body in bodies])] for prefix in prefixes]


ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([b"a", b"b"])), min_size=1, max_size=5)
"""(number of a socket, prefix): a socket may be there twice, also behind the same prefix."""


@given(st.lists(ROWS, min_size=1, max_size=4), st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_whoever_shares_a_step_is_told_its_own_frames_in_their_order(
    groups: list[list[tuple[int, bytes]]], order: list[int]
) -> None:
    sinks = [RecordingSink() for _ in range(4)]
    outlets = [SinkOutlet(sink) for sink in sinks]
    targets = [Targets((outlets[number], prefix) for number, prefix in rows) for rows in groups]
    chosen = [(number % len(groups), b"%d" % at) for at, number in enumerate(order)]
    hand_over([(targets[number], body) for number, body in chosen])
    expected: list[list[bytes]] = [[] for _ in sinks]
    for group, body in chosen:
        for number, prefix in groups[group]:
            expected[number].append(prefix + body)
    assert [b"".join(sink.frames) for sink in sinks] == [framed(frames) for frames in expected]
    if len(chosen) > 1:
        assert all(len(sink.frames) <= 1 for sink in sinks)


@given(BODIES)
def test_the_same_sockets_behind_other_prefixes_are_told_in_the_order_of_the_step(
    bodies: list[bytes],
) -> None:
    sink = RecordingSink()
    outlet = SinkOutlet(sink)
    groups = [(Targets([(outlet, prefix)]), prefix) for prefix in (b"", b"x")]
    hand_over([(group, body) for body in bodies for group, _ in groups])
    assert sink.frames == [framed([prefix + body for body in bodies for _, prefix in groups])]


async def test_without_a_sink_each_frame_is_written_by_itself() -> None:
    outlet = RecordingOutlet()
    deliver(Targets([(outlet, b"p")]), [b"one", b"two"])
    assert outlet.frames == [b"pone", b"ptwo"]


def test_nothing_is_handed_over_twice() -> None:
    sink = RecordingSink()
    targets = Targets([(SinkOutlet(sink), b"")])
    deliver(targets, [b"one"])
    deliver(targets, [b"two"])
    assert sink.frames == [framed([b"one"]), framed([b"two"])]


def test_sockets_with_different_frames_are_not_given_each_others() -> None:
    first, second, third = RecordingSink(), RecordingSink(), RecordingSink()
    both, one = SinkOutlet(first), SinkOutlet(second)
    all_of_them = Targets([(both, b""), (one, b""), (SinkOutlet(third), b"")])
    hand_over([(all_of_them, b"for all"), (Targets([(both, b"")]), b"for one")])
    assert [first.frames, second.frames, third.frames] == [
        [framed([b"for all", b"for one"])],
        [framed([b"for all"])],
        [framed([b"for all"])],
    ]


def test_it_counts_whom_a_frame_goes_to() -> None:
    assert Targets([(SinkOutlet(RecordingSink()), prefix) for prefix in (b"", b"x", b"y")]).count == 3


@pytest.mark.parametrize("handed_over", [deliver, unlike])
def test_a_delivery_is_a_sign_of_life_for_who_minds_silence(
    handed_over: Callable[[Targets, Sequence[bytes]], None],
) -> None:
    outlet = SinkOutlet(RecordingSink())
    outlet.minds_silence = True
    handed_over(Targets([(outlet, b"")]), [b"one"])
    assert outlet.wrote


# -- past the transport ----------------------------------------------------------------------------------------------------------


@given(BODIES, PREFIXES)
def test_frames_past_the_transport_reach_each_socket_in_order_behind_its_own_prefix(
    bodies: list[bytes], prefixes: list[bytes]
) -> None:
    with socket_sinks(len(prefixes)) as sinks:
        targets = Targets((SinkOutlet(sink), prefix) for sink, prefix in zip(sinks, prefixes, strict=True))
        deliver(targets, bodies)
        told = [(sink.received(), sink.frames) for sink in sinks]
    assert told == [(framed([prefix + body for body in bodies]), []) for prefix in prefixes]


def test_what_a_socket_does_not_take_follows_by_its_transport() -> None:
    payload = os.urandom(1_000_000)
    with socket_sinks(1) as (sink,):
        Targets([(SinkOutlet(sink), b"")]).write([payload])
        taken = sink.received()
    assert 0 < len(taken) < len(payload)
    assert taken + b"".join(sink.frames) == framed([payload])


def test_a_socket_that_takes_nothing_keeps_nothing_from_the_others() -> None:
    with socket_sinks(3) as sinks:
        filled = sinks[1].fill()
        Targets((SinkOutlet(sink), b"p") for sink in sinks).write([b"one"])
        assert [sink.received() for sink in sinks] == [framed([b"pone"]), b"-" * filled, framed([b"pone"])]
        assert [sink.frames for sink in sinks] == [[], [framed([b"pone"])], []]


def test_a_broken_socket_leaves_its_frame_to_the_transport() -> None:
    with socket_sinks(2) as sinks:
        sinks[0].theirs.close()
        Targets((SinkOutlet(sink), b"") for sink in sinks).write([b"one"])
        assert sinks[0].frames == [framed([b"one"])]
        assert sinks[1].received() == framed([b"one"])


def test_while_threads_are_at_work_frames_go_by_the_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JOBS, "under_way", 1)
    with socket_sinks(2) as sinks:
        Targets((SinkOutlet(sink), b"") for sink in sinks).write([b"one"])
        assert [(sink.frames, sink.received()) for sink in sinks] == [([framed([b"one"])], b"")] * 2


def test_whoever_is_given_the_number_of_a_descriptor_that_ended_is_told_nothing() -> None:
    with socket_sinks(2) as (ended, stranger):
        targets = Targets([(SinkOutlet(ended), b"")])
        targets.write([b"one"])
        number = ended.descriptor
        ended.descriptor = CLOSED
        DESCRIPTORS.changes += 1
        os.dup2(stranger.ours.fileno(), number)
        targets.write([b"two"])
        assert stranger.received() == b""
        assert ended.frames == [framed([b"two"])]


async def test_without_a_sink_a_frame_is_written_at_once_too() -> None:
    outlet = RecordingOutlet()
    Targets([(outlet, b"p")]).write([b"one"])
    assert outlet.frames == [b"pone"]
