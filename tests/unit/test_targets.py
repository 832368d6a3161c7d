"""Targets: each outlet gets every frame, behind its own prefix, in order, and one write for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from cache_streams.outlet import Outlet, SinkOutlet, text_header
from cache_streams.targets import Targets, hand_over
from tests.recording import RecordingOutlet, RecordingSink

BODIES = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=8)
PREFIXES = st.lists(st.sampled_from([b"", b"a", b"bb", b"cc"]), min_size=1, max_size=6)


def framed(payloads: Sequence[bytes]) -> bytes:
    return b"".join(text_header(len(payload)) + payload for payload in payloads)


def deliver(targets: Targets, bodies: Sequence[bytes]) -> None:
    touched: list[Outlet] = []
    for body in bodies:
        targets.gather(body, touched)
    hand_over(touched)


@given(BODIES, PREFIXES)
def test_each_socket_is_written_to_once_with_every_frame_in_order(
    bodies: list[bytes], prefixes: list[bytes]
) -> None:
    sinks = [RecordingSink() for _ in prefixes]
    wanted = [(SinkOutlet(sink), prefix) for sink, prefix in zip(sinks, prefixes, strict=True)]
    deliver(Targets(wanted), bodies)
    told = [sink.frames for sink in sinks]
    assert told == [[framed([prefix + body for body in bodies])] for prefix in prefixes]


@given(BODIES)
def test_frames_of_two_groups_leave_one_socket_in_the_order_in_which_they_were_gathered(
    bodies: list[bytes],
) -> None:
    sink = RecordingSink()
    outlet = SinkOutlet(sink)
    groups = [Targets([(outlet, b"")]), Targets([(outlet, b"x")])]
    touched: list[Outlet] = []
    for body in bodies:
        for group in groups:
            group.gather(body, touched)
    hand_over(touched)
    assert sink.frames == [framed([prefix + body for body in bodies for prefix in (b"", b"x")])]


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
    touched: list[Outlet] = []
    Targets([(both, b""), (one, b""), (SinkOutlet(third), b"")]).gather(b"for all", touched)
    Targets([(both, b"")]).gather(b"for one", touched)
    hand_over(touched)
    assert [first.frames, second.frames, third.frames] == [
        [framed([b"for all", b"for one"])],
        [framed([b"for all"])],
        [framed([b"for all"])],
    ]


def test_it_counts_whom_a_frame_goes_to() -> None:
    assert Targets([(SinkOutlet(RecordingSink()), prefix) for prefix in (b"", b"x", b"y")]).count == 3


def test_a_delivery_is_a_sign_of_life() -> None:
    outlet = SinkOutlet(RecordingSink())
    deliver(Targets([(outlet, b"")]), [b"one"])
    assert outlet.wrote
