"""A collector at full rate and the deployment's batch writer beside it, each in a process of its own.

Both tell afterwards what they did and when, by the wall clock in Unix seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import msgspec
import redis

from benchmarks import cache
from cache_streams.demo import writes
from cache_streams.demo.writes import Command

_STEP_S = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """``rate`` updates/s in all, half of them ticks and half trades, over ``symbols`` in turn, for ``duration_s``.

    Each trade list is drained every ``drain_s``, first after half of that; what stood in it for ``age_s`` must arrive.
    """

    name: str
    symbols: tuple[str, ...]
    rate: int
    duration_s: float
    drain_s: float
    age_s: float = 0.050


@dataclass(frozen=True, slots=True)
class Push:
    """One trade: when its RPUSH was sent, and when Redis had answered."""

    trade_id: int
    sent: float
    answered: float


@dataclass(slots=True)
class Collected:
    """What a collector wrote: trades by symbol in order, the number of ticks, and how late it ever was (s)."""

    pushes: dict[str, list[Push]] = field(default_factory=dict)
    ticks: int = 0
    latest_s: float = 0.0

    @property
    def trades(self) -> int:
        return sum(map(len, self.pushes.values()))


@dataclass(frozen=True, slots=True)
class Drain:
    """One emptying of a list: LRANGE sent, DEL sent, DEL answered, and the ids that LRANGE brought."""

    read: float
    deleting: float
    deleted: float
    trade_ids: tuple[int, ...]


Drains = dict[str, list[Drain]]


def ready() -> bool:
    """Return when the process has started: a clock that starts before would count that."""
    return True


def collect(redis_url: str, load: Load, start: float, first_id: int) -> Collected:
    """Write ticks and trades from ``start`` on, as the collectors' own command sequences; ids grow per symbol."""
    done = Collected(pushes={symbol: [] for symbol in load.symbols})
    total = int(load.rate * load.duration_s)
    written = 0
    with redis.Redis.from_url(redis_url) as client:
        while written < total:
            time.sleep(max(start + written / load.rate - time.time(), 0.0))
            due = min(int((time.time() - start) * load.rate) + 1, total)
            done.latest_s = max(done.latest_s, time.time() - start - written / load.rate)
            _write(client, load, range(written, due), first_id, done)
            written = due
            time.sleep(_STEP_S)
    return done


def drain(redis_url: str, load: Load, start: float) -> Drains:
    """Empty each list now and then while the collector writes, as the batch writer does: LRANGE, then DEL."""
    drains: Drains = {symbol: [] for symbol in load.symbols}
    at = start + load.drain_s / 2
    with redis.Redis.from_url(redis_url) as client:
        while at < start + load.duration_s:
            time.sleep(max(at - time.time(), 0.0))
            for symbol in load.symbols:
                key = writes.trade_list(cache.EXCHANGE, symbol)
                read = time.time()
                elements: list[bytes] = client.lrange(key, 0, -1)
                deleting = time.time()
                client.delete(key)
                drains[symbol].append(Drain(read, deleting, time.time(), trade_ids(elements)))
            at += load.drain_s
    return drains


def trade_ids(elements: list[bytes]) -> tuple[int, ...]:
    """Return the ids of a list's elements."""
    return tuple(msgspec.json.decode(element)["trade_id"] for element in elements)


def _write(client: redis.Redis, load: Load, numbers: range, first_id: int, done: Collected) -> None:
    """Send the updates that are due in one round trip."""
    sent = time.time()
    commands: list[Command] = []
    pushed: list[tuple[str, int]] = []
    for number in numbers:
        symbol = load.symbols[number // 2 % len(load.symbols)]
        if number % 2:
            trade_id = first_id + number // 2
            commands += writes.trade(cache.EXCHANGE, symbol, cache.trade(symbol, trade_id, sent), sent)
            pushed.append((symbol, trade_id))
        else:
            commands += writes.tick(cache.EXCHANGE, symbol, cache.tick(symbol, 50_000.0 + number, sent))
            done.ticks += 1
    cache.send(client, commands)
    answered = time.time()
    for symbol, trade_id in pushed:
        done.pushes[symbol].append(Push(trade_id, sent, answered))
