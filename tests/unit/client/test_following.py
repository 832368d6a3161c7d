"""What is followed over cuts: a server in the test's own words, and the law that nothing is lost or told twice."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.client.following import Begun, Fault, Following, Since, Wish
from cache_streams.client.messages import MalformedFrame, Message, SnapshotFrame, UpdateFrame
from cache_streams.protocol.native.frames import Cursors, Subscribed

PATTERN = "kraken:*"
Frame = SnapshotFrame | UpdateFrame


def ticker(key: str, seq: int) -> msgspec.Raw:
    exchange, _, symbol = key.partition(":")
    value = {"exchange": exchange, "symbol": symbol, "price": float(seq), "time": 0.0}
    return msgspec.Raw(msgspec.json.encode(value))


def subscribed(cursor: Cursors = None, recovered: bool | None = None, mode: str = "every") -> Subscribed:
    return Subscribed(sub=1, stream="tickers", key=PATTERN, mode=mode, recovered=recovered, cursor=cursor)


def update(key: str, seq: int, cursor: str | None) -> UpdateFrame:
    return UpdateFrame(
        stream="tickers", key=key, seq=seq, cursor=cursor, ts=(None, 1.0), data=ticker(key, seq)
    )


@dataclass
class Log:
    """What happened, and what a server says of it: a state unless ``since`` says from where to continue."""

    entries: list[tuple[str, int]]

    @classmethod
    def of(cls, keys: list[str]) -> Log:
        return cls([(f"kraken:{key}", keys[: at + 1].count(key)) for at, key in enumerate(keys)])

    def frames(self, written: int, since: str | None) -> list[Frame]:
        begin = 0 if since is None else int(since)
        frames: list[Frame] = []
        if since is None:
            state, begin = dict(self.entries[:written]), written
            frames = [
                SnapshotFrame(
                    sub=1, stream="tickers", key=key, seq=seq, cursor=str(written), data=ticker(key, seq),
                    more=number < len(state),
                )
                for number, (key, seq) in enumerate(state.items(), 1)
            ]  # fmt: skip
        news = enumerate(self.entries[begin:], begin + 1)
        return frames + [update(key, seq, str(at)) for at, (key, seq) in news]


def apply(following: Following, frame: Frame, told: dict[str, int]) -> None:
    if isinstance(frame, SnapshotFrame):
        told[frame.key] = following.snapshot(PATTERN, frame).seq
        return
    message = following.update(PATTERN, frame)
    assert message is not Fault.GAP
    if isinstance(message, Message):
        assert message.seq == told.get(message.key, 0) + 1, "lost or repeated"
        told[message.key] = message.seq


@given(
    st.lists(st.sampled_from("abc"), max_size=30),
    st.integers(0, 30),
    st.lists(st.integers(0, 12), max_size=8),
)
def test_over_any_cuts_each_change_is_told_once_and_in_order(
    keys: list[str], written: int, cuts: list[int]
) -> None:
    log, following, told = Log.of(keys), Following(Wish(stream="tickers")), dict[str, int]()
    for read in [*cuts, 1000]:
        since = following.request().get("since")
        following.begun([subscribed(recovered=None if since is None else True)], [])
        for frame in log.frames(min(written, len(keys)), since)[:read]:
            apply(following, frame, told)
    assert told == dict(log.entries)


def begun(wish: Wish, *answers: Subscribed) -> Following:
    following = Following(wish)
    following.begun(list(answers), [])
    return following


def test_a_gap_is_asked_for_once_from_the_last_change_of_its_key() -> None:
    following = begun(Wish(stream="tickers"), subscribed())
    for key, seq, cursor in (("kraken:a", 1, "e.1"), ("kraken:b", 1, "e.2")):
        following.update(PATTERN, update(key, seq, cursor))
    assert following.update(PATTERN, update("kraken:a", 3, "e.9")) is Fault.GAP
    assert following.update(PATTERN, update("kraken:b", 2, "e.10")) is Fault.HELD_BACK
    assert following.request()["since"] == "e.1"
    following.begun([subscribed(recovered=True)], [])
    missing = following.update(PATTERN, update("kraken:a", 3, "e.9"))
    assert isinstance(missing, Message)
    assert missing.missed == 1


def test_a_jump_in_a_sample_is_told_and_not_asked_for() -> None:
    following = begun(Wish(stream="tickers"), subscribed(mode="sample"))
    following.update(PATTERN, update("kraken:a", 1, "e.1"))
    jumped = following.update(PATTERN, update("kraken:a", 5, "e.5"))
    assert isinstance(jumped, Message)
    assert jumped.missed == 3


def test_frames_of_one_sample_share_a_place_and_none_of_them_moves_it_too_far() -> None:
    following = begun(Wish(stream="tickers"), subscribed(mode="sample"))
    following.update(PATTERN, update("kraken:a", 1, "e.1"))
    following.update(PATTERN, update("kraken:a", 4, "e.1"))  # two more of the sample were cut off
    assert following.request()["since"] == "e.1"


def test_forgetting_gives_every_cursor_up_and_says_so() -> None:
    following = begun(Wish(stream="tickers", since="e.1"), subscribed("e.1", recovered=True))
    following.forget()
    assert "since" not in following.request()
    assert following.begun([subscribed("f.1")], []).recovered is False


def test_an_answer_moves_no_place_before_its_state_comes() -> None:
    following = begun(Wish(stream="tickers"), subscribed("e.7"))
    assert following.cursors() is None


def test_a_replay_continues_where_it_was_cut_until_it_is_live() -> None:
    following = begun(Wish(stream="tickers", replay={"from": 5.0, "speed": 10}), subscribed())
    following.update(PATTERN, update("kraken:a", 1, "e.1"))
    assert following.request()["replay"] == {"from": "e.1", "speed": 10}
    following.live(PATTERN, recovered=True)
    asked = following.request()
    assert ("replay" not in asked, asked["since"]) == (True, "e.1")


def test_a_replay_that_lost_the_rest_marks_the_state_that_replaces_it() -> None:
    following = begun(Wish(stream="tickers", replay={"from": 5.0, "speed": 10}), subscribed())
    following.update(PATTERN, update("kraken:a", 1, "e.1"))
    following.live(PATTERN, recovered=False)
    frame = SnapshotFrame(
        sub=1, stream="tickers", key="kraken:a", seq=9, cursor="e.9", data=ticker("kraken:a", 9)
    )
    state = following.snapshot(PATTERN, frame)
    change = following.update(PATTERN, update("kraken:a", 10, "e.10"))
    assert isinstance(change, Message)
    assert (state.recovered, change.recovered) == (False, None)


def test_several_patterns_continue_each_from_its_own_place() -> None:
    following = Following(Wish(stream="tickers"))
    keys = ("kraken:a", "other:a")
    following.begun([msgspec.structs.replace(subscribed(), key=key) for key in keys], [])
    for number, key in enumerate(keys):
        following.update(key, update(key, 1, f"{number}.1"))
    assert following.cursors() == {"kraken:a": "0.1", "other:a": "1.1"}


def in_parts(*recovered: bool | None) -> tuple[Following, list[Begun]]:
    """Begin two keys, each placed; then again, with an answer to each part."""
    following, keys = Following(Wish(stream="tickers")), ("kraken:a", "kraken:b")
    following.begun([msgspec.structs.replace(subscribed(), key=key) for key in keys], [])
    for key in keys:
        following.update(key, update(key, 1, "e.1"))
    following.request()
    answers = zip(keys, recovered, strict=True)
    return following, [
        following.begun(
            [msgspec.structs.replace(subscribed(recovered=told), key=key)], [key], more=key == keys[0]
        )
        for key, told in answers
    ]


def test_the_answers_to_parts_are_one_beginning() -> None:
    _, told = in_parts(True, False)
    assert told[-1] == Begun(resumed=True, recovered=False, warnings=("kraken:a", "kraken:b"))
    _, told = in_parts(False, True)
    assert told[-1].recovered is False


def test_a_gap_holds_each_key_until_its_own_part_is_answered() -> None:
    following, _ = in_parts(True, True)
    assert following.update("kraken:a", update("kraken:a", 3, "e.3")) is Fault.GAP
    following.request()
    following.begun([msgspec.structs.replace(subscribed(recovered=True), key="kraken:a")], [], more=True)
    assert following.update("kraken:b", update("kraken:b", 2, "e.4")) is Fault.HELD_BACK
    assert isinstance(following.update("kraken:a", update("kraken:a", 2, "e.2")), Message)
    following.begun([msgspec.structs.replace(subscribed(recovered=True), key="kraken:b")], [])
    assert isinstance(following.update("kraken:b", update("kraken:b", 2, "e.4")), Message)


def test_every_part_of_what_was_forgotten_says_so() -> None:
    following, _ = in_parts(True, True)
    following.forget()
    parts = [msgspec.structs.replace(subscribed(), key=key) for key in ("kraken:a", "kraken:b")]
    told = [following.begun([part], [], more=more) for part, more in zip(parts, (True, False), strict=True)]
    assert [each.recovered for each in told] == [False, False]


@pytest.mark.parametrize(
    ("since", "continued"),
    [
        ("e.1", {"kraken:a": "e.5", "kraken:b": "e.1"}),
        ({"kraken:b": "e.2"}, {"kraken:a": "e.5", "kraken:b": "e.2"}),
    ],
)
def test_a_key_that_has_not_moved_continues_from_where_the_program_said(
    since: Since, continued: Since
) -> None:
    following = Following(Wish(stream="tickers", since=since))
    keys = ("kraken:a", "kraken:b")
    following.begun([msgspec.structs.replace(subscribed(recovered=True), key=key) for key in keys], [])
    following.update("kraken:a", update("kraken:a", 1, "e.5"))
    assert following.request()["since"] == continued


BAD = msgspec.Raw(b'{"price":"a lot"}')


def test_a_state_that_cannot_be_read_moves_nothing() -> None:
    following = begun(Wish(stream="tickers"), subscribed())
    frame = SnapshotFrame(sub=1, stream="tickers", key="kraken:a", seq=1, cursor="e.1", data=BAD)
    with pytest.raises(MalformedFrame):
        following.snapshot(PATTERN, frame)
    assert following.cursors() is None


def test_a_change_that_cannot_be_read_moves_nothing() -> None:
    following = begun(Wish(stream="tickers"), subscribed())
    frame = msgspec.structs.replace(update("kraken:a", 1, "e.1"), data=BAD)
    with pytest.raises(MalformedFrame):
        following.update(PATTERN, frame)
    assert following.cursors() is None
