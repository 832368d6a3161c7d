"""Parts of a key: what of an agent's user a run or a thread is, and how it is numbered."""

import json
from typing import Any

import msgspec
import pytest

from cache_streams.protocol.native.errors import Refused
from cache_streams.protocol.native.parts import (
    Part,
    PartRendition,
    narrowed,
    part_fields,
    part_of,
    read_parts,
)
from cache_streams.streams import by_name
from cache_streams.streams.update import KeySnapshot, Update

AGENTS, TICKERS = by_name["agents"], by_name["tickers"]
RUN, THREAD = Part("run", "r1", whole_series=True), Part("thread", "t1", whole_series=False)
USER = ("12",)
REPORTED = [("r1", "t1", 1), ("r2", "t1", 1), ("r3", "t2", 1), ("r1", "t1", 2), ("r2", "t1", 2)]


def update(cursor: int, run: str, thread: str, seq: int) -> Update:
    data = {"type": "agent_thinking", "run_id": run, "thread_id": thread, "seq": seq, "cursor": cursor}
    return Update(USER, cursor, msgspec.json.encode(data), 1.5, 2.5)


UPDATES = tuple(update(cursor, *facts) for cursor, facts in enumerate(REPORTED, 1))
STATE = KeySnapshot(USER, len(UPDATES), UPDATES, "e.1-0")


def rendition(part: Part, sub: int = 3) -> PartRendition:
    return PartRendition(AGENTS, AGENTS.name, part, sub)


def frames(bodies: Any) -> list[dict[str, Any]]:  # Any: JSON of frames
    return [json.loads(body) for body in bodies]


def test_a_run_is_told_under_its_own_name_and_numbers() -> None:
    told = frames(body for each in UPDATES for body in rendition(RUN).update_at(each, "e.1-0", 0.0))
    assert [(frame["key"], frame["seq"], frame["data"]["cursor"]) for frame in told] == [
        ("run:r1", 1, 1),
        ("run:r1", 2, 4),
    ]


def test_a_thread_is_told_run_by_run_so_that_numbers_have_no_gaps() -> None:
    told = frames(body for each in UPDATES for body in rendition(THREAD).update(each, 0.0))
    assert [(frame["key"], frame["seq"]) for frame in told] == [
        ("thread:t1/r1", 1), ("thread:t1/r2", 1), ("thread:t1/r1", 2), ("thread:t1/r2", 2),
    ]  # fmt: skip


def test_a_snapshot_has_a_state_of_each_run() -> None:
    one, other = frames(rendition(THREAD).snapshot([STATE], 0.0))
    assert (one["sub"], one["key"], one["seq"], one["more"]) == (3, "thread:t1/r1", 2, True)
    assert (other["key"], [event["cursor"] for event in other["data"]]) == ("thread:t1/r2", [2, 5])


def test_a_run_of_nothing_is_told_as_nothing_and_a_thread_of_none_not_at_all() -> None:
    (frame,) = frames(rendition(Part("run", "r9", whole_series=True)).snapshot([STATE], 0.0))
    assert (frame["key"], frame["seq"], frame["data"]) == ("run:r9", 0, None)
    assert rendition(Part("thread", "t9", whole_series=False)).snapshot([STATE], 0.0) == []


def test_the_answer_to_a_snapshot_names_a_run_that_holds_nothing() -> None:
    unknown = Part("run", "r9", whole_series=True)
    assert narrowed(AGENTS, unknown, [STATE]) == [KeySnapshot(("run:r9",), 0, (), "e.1-0")]
    assert narrowed(AGENTS, unknown, []) == [KeySnapshot(("run:r9",), 0, (), "")]
    assert narrowed(AGENTS, Part("thread", "t9", whole_series=False), [STATE]) == []
    assert narrowed(AGENTS, RUN, [STATE]) == part_of(AGENTS, RUN, [STATE])


def test_subscriptions_to_one_part_share_their_update_frames() -> None:
    assert rendition(RUN, 1) == rendition(RUN, 2)
    assert rendition(RUN) != rendition(THREAD)


def test_parts_are_called_as_clients_read_them() -> None:
    assert (RUN.text, THREAD.text) == ("run:r1", "thread:t1/*")
    assert (part_fields(AGENTS), part_fields(TICKERS)) == (("run", "thread"), ())


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({}, []),
        ({"run": None}, []),
        ({"run": "r1"}, [RUN]),
        ({"thread": ["t1", "t1"]}, [THREAD]),
        ({"run": ["r1", "a.B:c-_9"]}, [RUN, Part("run", "a.B:c-_9", whole_series=True)]),
    ],
)
def test_a_request_names_one_part_or_several_or_none(given: dict[str, Any], parts: list[Part]) -> None:
    assert read_parts(AGENTS, given, 5) == parts


def test_a_stream_without_parts_has_none_and_no_update_is_of_one() -> None:
    assert read_parts(TICKERS, {"run": "r1"}, 5) == []
    assert PartRendition(TICKERS, "tickers", RUN, 1).update(UPDATES[0], 0.0) == ()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"run": "r1", "thread": "t1"}, "thread"),
        ({"run": 7}, "run"),
        ({"run": ""}, "run"),
        ({"thread": "*"}, "thread"),
        ({"thread": ["t1", "x" * 65]}, "thread"),
    ],
)
def test_what_names_no_part_is_refused_by_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        read_parts(AGENTS, given, 5)
    assert (refused.value.code, refused.value.field) == ("INVALID_PARAMS", field)


@pytest.mark.parametrize("names", [[], ["r"] * 6])
def test_a_list_of_none_or_too_many_is_refused(names: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        read_parts(AGENTS, {"run": names}, 5)
    assert refused.value.code == "TOO_MANY_SUBSCRIPTIONS"
