import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol.native.rendition import NativeRendition, told
from cache_streams.streams import by_name
from cache_streams.streams.update import KeySnapshot, Update

TICKERS, ORDERS, TRADES = by_name["tickers"], by_name["orders"], by_name["trades"]
MARKET = ("kraken", "BTC/USDC")
CURSOR = "aZ3.1795221446140-0"
values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def change(data: object, seq: int = 1, *, deleted: bool = False, source_time: float | None = 1.5) -> Update:
    return Update(MARKET, seq, msgspec.json.encode(data), source_time, 2.5, deleted=deleted)


def frame(body: bytes) -> dict[str, Any]:  # Any: JSON of a frame
    read: dict[str, Any] = json.loads(body)  # Any: as above
    return read


def test_an_update_is_told_with_number_cursor_and_both_times() -> None:
    (body,) = NativeRendition(TICKERS, 3).update_at(change({"price": 1.0}, 912), CURSOR, 0.0)
    assert frame(body) == {
        "type": "update", "stream": "tickers", "key": "kraken:BTC/USDC", "seq": 912, "cursor": CURSOR,
        "ts": [1.5, 2.5], "data": {"price": 1.0},
    }  # fmt: skip


def test_a_source_without_a_clock_leaves_its_time_null() -> None:
    (body,) = NativeRendition(TICKERS, 3).update_at(change({}, source_time=None), CURSOR, 0.0)
    assert frame(body)["ts"] == [None, 2.5]


def test_a_value_that_is_gone_is_an_update_with_null() -> None:
    (body,) = NativeRendition(TICKERS, 3).update_at(change(None, deleted=True), CURSOR, 0.0)
    assert frame(body)["data"] is None


def test_subscriptions_to_one_stream_share_their_update_frames() -> None:
    one, other = NativeRendition(TICKERS, 1, MARKET), NativeRendition(TICKERS, 2)
    assert (one, hash(one)) == (other, hash(other))
    assert one.update_at(change(1), CURSOR, 0.0) == other.update_at(change(1), CURSOR, 0.0)
    assert one != NativeRendition(TRADES, 1, MARKET)


def test_what_is_told_again_says_so_and_is_told_by_nobody_who_is_live() -> None:
    live, again = NativeRendition(TICKERS, 3), NativeRendition(TICKERS, 3, replay=True)
    (now,), (then,) = (each.update_at(change(1), CURSOR, 0.0) for each in (live, again))
    assert frame(then) == {**frame(now), "replay": True}
    assert live != again


def test_a_snapshot_says_whose_it_is() -> None:
    held = KeySnapshot(MARKET, 911, (change({"price": 1.0}),), CURSOR)
    (body,) = NativeRendition(TICKERS, 3).snapshot([held], 0.0)
    assert frame(body) == {
        "type": "snapshot", "sub": 3, "stream": "tickers", "key": "kraken:BTC/USDC", "seq": 911, "cursor": CURSOR,
        "data": {"price": 1.0},
    }  # fmt: skip


def test_all_frames_of_a_snapshot_but_the_last_say_that_more_follow() -> None:
    keys = [KeySnapshot(("kraken", name), 1, (change(1),), CURSOR) for name in "abc"]
    bodies = NativeRendition(TICKERS, 3).snapshot(keys, 0.0)
    assert [frame(body).get("more") for body in bodies] == [True, True, None]


def test_a_key_that_never_held_anything_is_told_as_null() -> None:
    for stream in (TICKERS, ORDERS, TRADES):
        (body,) = NativeRendition(stream, 3, MARKET).snapshot([], 0.0)
        assert (frame(body)["seq"], frame(body)["cursor"], frame(body)["data"]) == (0, None, None)


def test_nothing_is_told_of_a_log_without_keys() -> None:
    assert NativeRendition(TICKERS, 3).snapshot([], 0.0) == []


def test_a_list_that_became_empty_is_an_empty_list() -> None:
    (body,) = NativeRendition(ORDERS, 3).snapshot([KeySnapshot(MARKET, 4, (), CURSOR)], 0.0)
    assert frame(body)["data"] == []


def test_a_value_that_is_gone_is_a_snapshot_with_null() -> None:
    gone = KeySnapshot(MARKET, 4, (change(None, deleted=True),), CURSOR)
    (body,) = NativeRendition(TICKERS, 3).snapshot([gone], 0.0)
    assert frame(body)["data"] is None


@given(st.lists(values, max_size=4))
def test_a_list_holds_its_elements_as_the_log_has_them(elements: list[object]) -> None:
    kept = [element for element in elements if element is not None]
    held = KeySnapshot(MARKET, 9, tuple(change(element) for element in elements), CURSOR)
    (body,) = NativeRendition(TRADES, 3).snapshot([held], 0.0)
    assert frame(body)["data"] == kept


@given(values, st.tuples(st.text(max_size=9), st.text(max_size=9)), st.integers(1, 2**60), st.floats(0, 1e12))
def test_every_update_is_one_json_object_with_the_data_untouched(
    data: object, key: tuple[str, str], seq: int, time: float
) -> None:
    update = Update(key, seq, msgspec.json.encode(data), time, time)
    (body,) = NativeRendition(TICKERS, 3).update_at(update, CURSOR, 0.0)
    read = frame(body)
    assert (read["data"], read["key"], read["seq"], read["ts"]) == (data, ":".join(key), seq, [time, time])


def test_the_answer_to_a_snapshot_request_tells_the_same_state() -> None:
    held = KeySnapshot(MARKET, 911, (change({"price": 1.0}),), CURSOR)
    assert frame(msgspec.json.encode(told(TICKERS, held))) == {
        "stream": "tickers", "key": "kraken:BTC/USDC", "seq": 911, "cursor": CURSOR, "data": {"price": 1.0},
    }  # fmt: skip


def test_an_update_whose_place_is_unknown_is_told_without_a_cursor() -> None:
    (body,) = NativeRendition(TICKERS, 3).update(change({"price": 1.0}), 0.0)
    assert frame(body)["cursor"] is None
