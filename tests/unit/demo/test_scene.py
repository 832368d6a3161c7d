"""The whole demo, as commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cache_streams.demo.scene import Scene
from cache_streams.demo.writes import Command, keys_of, trade_list
from cache_streams.streams import REGISTRY, by_name, patterns
from cache_streams.streams.declaration import (
    Bars,
    Beacons,
    HashFields,
    JoinedHashes,
    ListTail,
    Malformed,
    Record,
    Rows,
)

START = 1_768_473_000.0


def played(seed: int = 7, seconds: int = 120) -> list[Command]:
    scene = Scene(seed, 4, START, pid=1)
    commands = scene.opening(START)
    for n in range(1, seconds * 2):
        now = START + n / 2
        commands += scene.ticks(10, now) + scene.trading(now)
        commands += scene.accounts(now) + scene.bots(now) + scene.beats(now)
    return commands + scene.closing(START + seconds)


def bots_of(commands: list[Command], names: tuple[str, ...]) -> Iterator[Record | Malformed]:
    hashes: dict[str, dict[str, bytes]] = {name: {} for name in names}
    decode = by_name["bots"].layout
    assert isinstance(decode, JoinedHashes)
    for verb, key, *rest in commands:
        if key in hashes and verb == "HSET":
            hashes[str(key)][str(rest[0])] = str(rest[1]).encode()
        elif key in hashes:
            hashes[str(key)].pop(str(rest[0]), None)
        yield from decode.decode(hashes).values()


def readings(commands: list[Command], stream: str) -> Iterator[Record | Malformed]:
    layout = by_name[stream].layout
    if isinstance(layout, JoinedHashes):
        yield from bots_of(commands, layout.names)
        return
    assert layout is not None
    assert not isinstance(layout, Rows)
    for verb, key, *rest in commands:
        names = patterns.match(layout.pattern, str(key))
        if names is None:
            continue
        texts = [str(each).encode() for each in rest]
        match layout, verb:
            case HashFields(), "HSET":
                yield layout.decode(names, str(rest[0]), texts[1])
            case ListTail(), "RPUSH":
                yield layout.decode(names, texts[0])
            case Bars(), "RPUSH":
                yield from (layout.decode(names, text, START) for text in texts)
            case Beacons(), "SET":
                yield layout.decode(names, texts[0], None, START)


def test_the_same_seed_plays_the_same_scene() -> None:
    assert played() == played()
    assert played(8) != played()


@pytest.mark.parametrize("stream", [each.name for each in REGISTRY if not isinstance(each.layout, Rows)])
def test_every_stream_of_the_cache_has_values_and_none_has_a_flaw(stream: str) -> None:
    found = list(readings(played(seconds=20), stream))
    assert found
    assert all(isinstance(record, Record) and record.flaw is None for record in found)


def test_a_tick_is_set_before_it_is_announced() -> None:
    ticks = Scene(7, 1, START, pid=1).ticks(1, START)
    told = [command for command in ticks if "tick" in str(command[1])]
    assert [(command[0], command[1]) for command in told] == [
        ("HSET", "tickers:kraken"),
        ("SET", "ticker_time:kraken:BTC/USDC"),
        ("PUBLISH", "ticker_updates:kraken:BTC/USDC"),
    ]
    assert told[0][3] == told[2][2]


def test_a_trade_is_pushed_to_a_list_without_slashes_and_its_status_follows() -> None:
    commands = Scene(7, 1, START, pid=1).ticks(50, START)
    pushed = [n for n, command in enumerate(commands) if command[0] == "RPUSH"]
    assert {commands[n][1] for n in pushed} <= {"trades:kraken:BTCUSDC", "trades:binance:BTCUSDC"}
    assert all(
        commands[n + 1][1] == str(commands[n][1])[:-8].replace("trades", "TRADE:STATUS") for n in pushed
    )
    assert trade_list("bitmex", "BTC/USD:BTC") == "trades:bitmex:BTCUSD:BTC"


def test_bar_lists_are_trimmed_as_the_feeders_trim_them() -> None:
    trims = [command for command in played(seconds=2) if command[0] == "LTRIM"]
    assert trims
    assert {command[2:] for command in trims} == {(-10_000, -1)}


def test_an_order_blocks_its_market_until_it_ends() -> None:
    blocked: set[object] = set()
    for command in played():
        if command[1] == "block_exchange":
            (blocked.add if command[0] == "HSET" else blocked.discard)(command[2])
        assert len(blocked) <= 8
    assert any(command[:2] == ("HDEL", "opening_position") for command in played())


def test_processes_live_a_day_and_say_good_bye() -> None:
    commands = played(seconds=2)
    assert {command[3:] for command in commands if str(command[1]).startswith("process:data:")} == {
        ("EX", 86_400)
    }
    gone = {
        command[2]
        for command in commands
        if command[0] == "HDEL" and str(command[1]).startswith("process:active")
    }
    assert gone == {c[2] for c in commands if c[0] == "HSET" and str(c[1]).startswith("process:active")}


def test_messages_are_no_keys() -> None:
    assert not any(key.startswith("ticker_updates") for key in keys_of(played(seconds=2)))


def test_an_account_without_a_position_has_no_field_of_positions() -> None:
    assert ("HDEL", "account_positions", "1") in Scene(7, 1, START, pid=1).accounts(START)
