"""Batches: each socket gets the same frames as one by one, in order, and what many get is joined once."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from cache_streams import batches
from cache_streams.batches import STEP_BYTES, Batch, Passage, batched
from cache_streams.outlet import SinkOutlet, text_header
from cache_streams.places import Position
from tests.recording import RecordingOutlet, RecordingSink

SIZES = st.lists(st.integers(0, STEP_BYTES + 9), max_size=12)
BODIES = st.lists(st.binary(max_size=300), min_size=1, max_size=8)


def framed(payloads: Sequence[bytes]) -> bytes:
    return b"".join(text_header(len(payload)) + payload for payload in payloads)


def payloads_of(told: Sequence[Batch]) -> list[bytes]:
    return [payload for batch in told for payload in batch.payloads]


@given(BODIES, st.sampled_from([b"", b"p:"]))
def test_a_socket_is_written_to_once_with_a_frame_for_each_payload(
    bodies: list[bytes], prefix: bytes
) -> None:
    sink = RecordingSink()
    outlet = SinkOutlet(sink)
    Batch(bodies).write(outlet, prefix)
    assert sink.frames == [framed([prefix + body for body in bodies])]
    assert outlet.wrote


def test_sockets_without_a_prefix_are_given_the_very_same_bytes() -> None:
    first, second, batch = RecordingSink(), RecordingSink(), Batch([b"one", b"two"])
    for sink in (first, second):
        batch.write(SinkOutlet(sink), b"")
    assert first.frames[0] is second.frames[0]


async def test_an_outlet_without_a_sink_is_given_each_payload() -> None:
    outlet = RecordingOutlet()
    Batch([b"one", b"two"]).write(outlet, b"p:")
    assert outlet.frames == [b"p:one", b"p:two"]


@given(SIZES)
def test_a_batch_is_closed_by_the_payload_that_fills_it(sizes: list[int]) -> None:
    payloads = [b"x" * size for size in sizes]
    made = batched(payloads)
    assert payloads_of(made) == payloads
    assert all(batch.size == sum(map(len, batch.payloads)) for batch in made)
    assert all(batch.size >= STEP_BYTES for batch in made[:-1])
    assert all(batch.size - len(batch.payloads[-1]) < STEP_BYTES for batch in made)


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(0, 45))
def test_a_passage_goes_on_after_a_place_in_batches_that_all_share(counts: list[int], at: int) -> None:
    rows = [
        (Position((place, 0)), tuple(b"%d-%d" % (place, number) for number in range(count)))
        for place, count in enumerate(counts, 1)
    ]
    full = batches.STEP_BYTES
    batches.STEP_BYTES = 15  # a few payloads
    try:
        passage = Passage(rows)
    finally:
        batches.STEP_BYTES = full
    told = passage.after(Position((at, 0)))
    assert payloads_of(told) == [
        payload for place, payloads in rows if place > (at, 0) for payload in payloads
    ]
    shared = passage.after(Position((0, 0)))
    assert passage.after(Position((0, 0))) == shared  # the very same batches
    assert all(batch in shared for batch in told[1:])
