"""What a reader does not look at again: with hundreds of bots and processes, a change of one must cost one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from cache_streams.sources.readers import BeaconReader, JoinedReader
from cache_streams.streams.bots import BOTS
from cache_streams.streams.declaration import Beacons, JoinedHashes, Key, Malformed, Names, Record
from cache_streams.streams.process import PROCESS, STALE_AFTER_S
from tests.unit.sources.interpreter import Interpreter

NOW = 1_800_000_000.0
MANY = 20
THINGS: dict[str, Names] = {f"process:data:bot:{n}:1": {"process_id": f"bot:{n}:1"} for n in range(MANY)}
SEEN = "process:active:bot"


def iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()


def beacon(status: str = "running", heartbeat: float = NOW) -> bytes:
    return json.dumps({"status": status, "heartbeat": iso(heartbeat)}).encode()


class Beat:
    """A reader of processes that notes which it decodes, over a cache in which it has read all."""

    def __init__(self) -> None:
        assert isinstance(PROCESS.layout, Beacons)
        layout = PROCESS.layout
        self.decoded: list[str] = []

        def decode(names: Names, raw: bytes, seen: str | None, now: float) -> Record:
            self.decoded.append(names["process_id"])
            return layout.decode(names, raw, seen, now)

        self.reader = BeaconReader(PROCESS, dataclasses.replace(layout, decode=decode))
        stored = dict.fromkeys(THINGS, beacon())
        active = {names["process_id"].encode(): iso(NOW).encode() for names in THINGS.values()}
        self.cache = Interpreter(**stored, **{SEEN: active})
        self.look(THINGS)

    def look(self, things: Mapping[str, Names], *, now: float = NOW) -> list[Record]:
        self.decoded.clear()
        return self.cache.run(self.reader.read(dict(things), [SEEN] if things else [], now))


def test_a_process_that_changed_is_decoded_alone() -> None:
    beat = Beat()
    beat.cache.keys["process:data:bot:7:1"] = beacon("error")
    assert [record.element for record in beat.look(THINGS)] == ["bot:7:1"]
    assert beat.decoded == ["bot:7:1"]


def test_a_process_that_was_seen_again_is_decoded_alone() -> None:
    beat = Beat()
    beat.cache.keys[SEEN][b"bot:7:1"] = iso(NOW + 1).encode()
    beat.look(THINGS)
    assert beat.decoded == ["bot:7:1"]


def test_a_second_in_which_nothing_turns_stale_decodes_nothing() -> None:
    beat = Beat()
    beat.look({}, now=NOW + 1)
    assert beat.decoded == []


def test_silence_turns_every_process_stale_without_a_notice_and_once() -> None:
    beat = Beat()
    assert len(beat.look({}, now=NOW + STALE_AFTER_S + 1)) == MANY
    assert beat.look({}, now=NOW + STALE_AFTER_S + 2) == []
    assert beat.decoded == []


class Picture:
    """A reader of bots that notes how many it was given to decode, over a cache in which it has read all."""

    def __init__(self) -> None:
        assert isinstance(BOTS.layout, JoinedHashes)
        layout = BOTS.layout
        self.given: list[int] = []

        def decode(hashes: Mapping[str, Mapping[str, bytes]]) -> Mapping[Key, Record | Malformed]:
            self.given.append(len(hashes.get("bot_status", {})))
            return layout.decode(hashes)

        self.reader = JoinedReader(BOTS, dataclasses.replace(layout, decode=decode))
        stored = {str(n).encode(): b'{"feed": {"status": "running"}}' for n in range(MANY)}
        self.cache = Interpreter(bot_status=stored, block_exchange={b"kraken:BTC/USDC": b"3"})
        self.look()

    def look(self) -> list[Record]:
        self.given.clear()
        return self.cache.run(self.reader.read())


def test_a_bot_that_changed_is_decoded_alone_and_keeps_its_blocks() -> None:
    picture = Picture()
    picture.cache.keys["bot_status"][b"3"] = b'{"feed": {"status": "paused"}}'
    (record,) = picture.look()
    assert record.key == ("3",)
    assert "BTC/USDC" in repr(record.value)
    assert picture.given == [1]


def test_a_bot_that_goes_is_gone_unless_it_still_blocks() -> None:
    picture = Picture()
    del picture.cache.keys["bot_status"][b"3"], picture.cache.keys["bot_status"][b"4"]
    assert {r.key: r.value is None for r in picture.look()} == {("3",): False, ("4",): True}


def test_a_block_that_is_lifted_is_told_of_its_bot() -> None:
    picture = Picture()
    del picture.cache.keys["block_exchange"][b"kraken:BTC/USDC"]
    assert [record.key for record in picture.look()] == [("3",)]
