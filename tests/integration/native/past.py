"""Writes a past into a log, with the times at which it happened: a Redis Stream's ids carry them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from redis import Redis

from cache_streams.demo.market import Market
from cache_streams.log import Claimed, LogSnapshot
from cache_streams.log_entries import encode_update
from cache_streams.log_names import LogName, key_text, logs_key
from cache_streams.places import START
from cache_streams.relay.numbering import Numbering
from cache_streams.streams import tickers, trades
from cache_streams.streams.declaration import SNAPSHOT_TAIL, Kind, Record, Stream
from cache_streams.streams.tickers import TICKERS
from cache_streams.streams.trades import TRADES

EPOCH = "PASTEPOCH"
Dated: TypeAlias = tuple[int, Record]
"""A record and when it happened, Unix milliseconds."""


@dataclass(frozen=True)
class Past:
    """What was written: time in ms, key as frames tell it, and ``seq`` of each entry, oldest first."""

    entries: list[tuple[int, str, int]]

    @property
    def cursors(self) -> list[str]:
        return [f"{EPOCH}.{ms}-1" for ms, _, _ in self.entries]


def demo_hour(
    exchange: str, until_ms: int, *, seconds: int = 3600, per_s: int = 4
) -> tuple[list[Dated], list[Dated]]:
    """Return the ticks and the trades of one exchange of the demo feed, over the time before ``until_ms``."""
    start_ms = until_ms - seconds * 1000
    market = Market(seed=7, symbols=8, start=start_ms / 1000)
    ticks: list[Dated] = []
    pushed: list[Dated] = []
    for number in range(seconds * per_s):
        ms = start_ms + number * 1000 // per_s
        move = market.move(ms / 1000)
        if move.exchange != "kraken":
            continue
        names = {"exchange": exchange, "symbol": move.symbol}
        ticks.append((ms, tickers.decode(names, move.symbol, json.dumps(move.tick).encode())))
        if move.trade is not None:
            pushed.append((ms, trades.decode(names, json.dumps(move.trade).encode())))
    return ticks, pushed


def ticks_at(exchange: str, symbol: str, times_ms: Iterable[int]) -> list[Dated]:
    """Return a tick of one market at each time; prices count from 1."""
    names = {"exchange": exchange, "symbol": symbol}
    return [
        (ms, tickers.decode(names, symbol, json.dumps({"price": float(n), "time": ms / 1000}).encode()))
        for n, ms in enumerate(times_ms, 1)
    ]


def write(redis: Redis, stream: Stream, partition: str, dated: Iterable[Dated], prefix: str = "gw") -> Past:
    """Write entries as a relay would have, then; the log must not exist. Its epoch begins 1 ms before the first."""
    name = LogName(stream.name, partition, prefix)
    numbering = Numbering(stream, Claimed(EPOCH, "", fresh=True), LogSnapshot(EPOCH, START, ()))
    entries: list[tuple[int, str, int]] = []
    with redis.pipeline(transaction=False) as pipeline:
        for ms, record in sorted(dated, key=lambda each: each[0]):
            if not entries:
                began = f"{ms - 1}-1"
                pipeline.xadd(name.log, {"c": EPOCH}, id=began)
                pipeline.hset(name.pos, mapping={"epoch": EPOCH, "fence": "0", "began": began})
            for update in numbering.number([record], ms / 1000):
                pipeline.xadd(name.log, {"u": encode_update(update)}, id=f"{ms}-1")
                entries.append((ms, ":".join(update.key), update.seq))
                text = key_text(update.key)
                if stream.kind is Kind.VALUE:
                    pipeline.hset(name.last, mapping={text: encode_update(update)})
                else:
                    pipeline.rpush(name.last_of(text), encode_update(update))
                    pipeline.ltrim(name.last_of(text), -SNAPSHOT_TAIL, -1)
                    pipeline.hset(name.pos, f"s:{text}", str(update.seq))
        pipeline.hset(name.pos, "id", f"{entries[-1][0]}-1")
        pipeline.sadd(logs_key(prefix), f"{stream.name}\n{partition}")
        pipeline.execute()
    return Past(entries)


def written_hour(redis: Redis, exchange: str, until_ms: int) -> tuple[Past, Past]:
    """Write an hour of the demo feed; return its ticks and its trades."""
    ticks, pushed = demo_hour(exchange, until_ms)
    return write(redis, TICKERS, exchange, ticks), write(redis, TRADES, exchange, pushed)


def evenly(until_ms: int, count: int, apart_ms: int) -> Iterator[int]:
    """Yield ``count`` times, ``apart_ms`` apart, the last of them ``apart_ms`` before ``until_ms``."""
    return (until_ms - (count - n) * apart_ms for n in range(count))
