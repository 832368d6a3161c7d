"""Requests in parts: together they name what one did, and no cursor leaves its key."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.client.parts import ROOM_BYTES, Parts, split

FRAME_BYTES = 400
names = st.lists(st.text("ABC:/", min_size=1, max_size=12), min_size=1, max_size=30, unique=True)


def keys(body: Any) -> list[str]:  # Any: JSON of a request
    return [
        f"{exchange}:{symbol}" for exchange, symbol in itertools.product(body["exchange"], body["symbol"])
    ]


def asked(exchanges: list[str], symbols: list[str], **fields: Any) -> dict[str, Any]:  # Any: as above
    return {"op": "subscribe", "stream": "tickers", "exchange": exchanges, "symbol": symbols, **fields}


@given(names, names, st.data())
def test_every_key_is_asked_for_once_with_the_cursor_that_it_had(
    exchanges: list[str], symbols: list[str], data: st.DataObject
) -> None:
    body = asked(exchanges, symbols)
    placed = data.draw(st.lists(st.sampled_from(keys(body)), unique=True))
    since = {key: f"epoch.{number}-0" for number, key in enumerate(placed)}
    parts = split({**body, "since": since} if since else body, FRAME_BYTES)
    assert sorted(key for part in parts for key in keys(part)) == sorted(keys(body))
    for part in parts:
        own = {key: since[key] for key in keys(part) if key in since}
        assert own.items() <= part.get("since", {}).items() <= since.items()


@given(names)
def test_a_part_fits_into_a_frame_unless_it_names_a_single_key(symbols: list[str]) -> None:
    since = {f"kraken:{symbol}": "epoch.1-0" for symbol in symbols}
    for part in split(asked(["kraken"], symbols, since=since), FRAME_BYTES):
        assert len(json.dumps(part)) + ROOM_BYTES <= FRAME_BYTES or len(part["symbol"]) == 1


def test_a_thousand_keys_with_cursors_take_two_frames_of_the_usual_size() -> None:
    symbols = [f"SYMBOL{number:03}/USDC" for number in range(1_000)]
    since = {f"kraken:{symbol}": "aZ3kQ9xw.1795221446140-0" for symbol in symbols}
    parts = split(asked(["kraken"], symbols, since=since), 65_536)
    assert [len(part["symbol"]) for part in parts] == [500, 500]


@pytest.mark.parametrize("text", ["log:kraken", "bots:*"])
def test_a_cursor_of_nobody_named_goes_with_every_part(text: str) -> None:
    symbols = [f"SYMBOL{number:03}" for number in range(50)]
    parts = split(asked(["kraken"], symbols, since={text: "e.1-0"}), FRAME_BYTES)
    assert len(parts) > 1
    assert all(part["since"] == {text: "e.1-0"} for part in parts)


def test_one_cursor_for_all_goes_with_every_part() -> None:
    parts = split(
        asked(["kraken"], [f"SYMBOL{number:03}" for number in range(50)], since="e.1-0"), FRAME_BYTES
    )
    assert len(parts) > 1
    assert all(part["since"] == "e.1-0" for part in parts)


def test_a_replay_stays_whole() -> None:
    body = asked(["kraken"], [f"SYMBOL{number:03}" for number in range(50)], replay={"from": 5.0, "speed": 1})
    assert split(body, FRAME_BYTES) == [body]


def test_what_has_no_list_to_divide_stays_whole() -> None:
    body = {"op": "subscribe", "stream": "bots", "bot": "*", "since": {f"{n}": "e.1-0" for n in range(50)}}
    assert split(body, FRAME_BYTES) == [body]


def test_the_request_is_made_when_its_turn_has_come() -> None:
    symbols = ["A"]
    parts = Parts(lambda: asked(["kraken"], list(symbols)), FRAME_BYTES)
    symbols[:] = [f"SYMBOL{number:03}" for number in range(30)]
    told = [parts.first()]
    while parts.more:
        told.append(parts.following())
    assert [symbol for part in told for symbol in part["symbol"]] == symbols
    assert len(told) > 1
