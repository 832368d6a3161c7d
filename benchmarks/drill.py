"""A collector at 1,000 updates/s, its lists drained by the batch writer, and 50 sockets that must miss nothing."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from typing import cast

import msgspec
import redis

from benchmarks import cache, collector, judgement, layout, sockets
from benchmarks.collector import Collected, Drains, Load
from benchmarks.deadline import until
from benchmarks.gateway import CACHE, Gateway
from benchmarks.judgement import Tally
from benchmarks.readers import TICK, Reader, Tick
from benchmarks.report import Findings, Row, milliseconds, percentile
from cache_streams.demo import writes

SOCKETS = 50
YOUNG_LOST_MAX = 0.001
_LATE_MAX_S = 0.5
_QUIET_S = 0.5
_ASK_S = 0.5
_START_S = 0.3

DEPLOYED = Load(
    name="as deployed", symbols=tuple(map(cache.market, range(5))), rate=1000, duration_s=60, drain_s=60
)
HURRIED = Load(name="one hot market", symbols=(cache.market(0),), rate=1000, duration_s=30, drain_s=2)
# Runs beside a machine's other work: it proves counts, not speed.
QUICK = Load(
    name="quick", symbols=tuple(map(cache.market, range(2))), rate=200, duration_s=4, drain_s=2, age_s=1.0
)


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Run the drill as a deployment writes and drains, and again with one market whose list is drained every 2 s."""
    found = Findings()
    with (
        ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool,
        redis.Redis.from_url(gateway.redis_url) as client,
    ):
        cache.send(client, [*cache.everything(time.time()), *cache.foreign(time.time())])
        for load in [QUICK] if quick else [DEPLOYED, HURRIED]:
            drill = Drill(gateway, client, pool, load)
            await drill.run()
            found.rows.append(drill.row())
            drill.judge(found)
    return found


class Drill:
    """One load, from primed markets to what every socket has seen."""

    def __init__(self, gateway: Gateway, client: redis.Redis, pool: ProcessPoolExecutor, load: Load) -> None:
        self._gateway, self._client, self._pool, self.load = gateway, client, pool, load
        symbols = load.symbols
        self.readers = [Reader(symbols[n // 2 % len(symbols)], trades=bool(n % 2)) for n in range(SOCKETS)]
        self.collected, self.drains = Collected(), Drains()
        self.changed: set[str] = set()
        self.ended: list[str] = []
        self.cpu_s: dict[str, float] = {}
        self.answers = 0
        self._primed_id = int(time.time() * 1000)  # above every id of an earlier load

    async def run(self) -> None:
        """Prime, open, write, and wait until nothing is missing or it is too late."""
        own = self._prime()
        others = layout.picture(self._client, without=own)
        for reader in self.readers:
            await reader.open(self._gateway)
        await until(
            lambda: all(reader.last or self._primed_id in reader.trade_ids for reader in self.readers)
        )
        for reader in self.readers:
            reader.seconds.clear()
        before = self._gateway.cpu_s()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(self._ask())
            await self._write()
            await until(self._is_complete)
            await asyncio.sleep(_QUIET_S)  # whatever comes now comes twice
            asking.cancel()
        self.cpu_s = {part: used - before[part] for part, used in self._gateway.cpu_s().items()}
        self.changed = layout.changes(others, layout.picture(self._client, without=own))
        self.ended = [reader.ended for reader in self.readers if reader.ended is not None]
        for reader in self.readers:
            reader.close()

    def _prime(self) -> set[str]:
        """Give each market one tick and one trade, whose arrival proves a subscription; return the collector's keys."""
        own: set[str] = set()
        for symbol in self.load.symbols:
            now = time.time()
            self._client.delete(writes.trade_list(cache.EXCHANGE, symbol))
            commands = writes.tick(cache.EXCHANGE, symbol, cache.tick(symbol, 1.0, now))
            commands += writes.trade(cache.EXCHANGE, symbol, cache.trade(symbol, self._primed_id, now), now)
            cache.send(self._client, commands)
            own |= writes.keys_of(commands)
        return own

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(self._pool, collector.ready) for _ in range(2)))
        url, load, start = self._gateway.redis_url, self.load, time.time() + _START_S
        self.collected, self.drains = await asyncio.gather(
            loop.run_in_executor(self._pool, collector.collect, url, load, start, self._primed_id + 1),
            loop.run_in_executor(self._pool, collector.drain, url, load, start),
        )

    async def _ask(self) -> None:
        """Ask for what stands in the cache, again and again: no query may change it either."""

        def take(_payload: bytes, _arrived: float) -> None:
            self.answers += 1

        exchange = {"exchange": cache.EXCHANGE}
        market = {**exchange, "symbol": self.load.symbols[0]}
        queries = {
            "get_trades": market,
            "get_all_tickers": exchange,
            "get_queue_length": exchange,
            "get_bots": {},
        }
        socket = await sockets.connect(self._gateway.url, CACHE, self._gateway.token(), take)
        try:
            while True:
                for action, params in queries.items():
                    socket.send(msgspec.json.encode({"action": action, "params": params}))
                    await asyncio.sleep(_ASK_S)
        finally:
            socket.close()

    def _is_complete(self) -> bool:
        newest = {symbol: pushes[-1].trade_id for symbol, pushes in self.collected.pushes.items()}
        return self.stale_tickers() == 0 and all(
            reader.trade_ids[-1:] == [newest[reader.symbol]] for reader in self.readers if reader.trades
        )

    def stale_tickers(self) -> int:
        """Return how many ticker sockets last saw something else than what the cache holds."""
        raws = {
            symbol: self._client.hget(f"tickers:{cache.EXCHANGE}", symbol) for symbol in self.load.symbols
        }
        stored: dict[str, Tick] = {
            symbol: TICK.decode(cast("bytes", raw)) for symbol, raw in raws.items()
        }  # typed for both clients
        return sum(reader.last != stored[reader.symbol] for reader in self.readers if not reader.trades)

    def row(self) -> Row:
        """Return the load, what was delivered of it, how soon, and what it cost."""
        seconds = [second for reader in self.readers for second in reader.seconds]
        shares = {f"p{share:.0%}"[:-1] + " ms": share for share in (0.50, 0.95, 0.99)}
        return {
            "load": self.load.name,
            "trades": self.collected.trades,
            "ticks": self.collected.ticks,
            "drains": sum(map(len, self.drains.values())),
            "sockets": len(self.readers),
            "frames": len(seconds),
            **{column: milliseconds(percentile(seconds, share)) for column, share in shares.items()},
            **{f"{part} CPU s": round(used, 1) for part, used in self.cpu_s.items()},
        }

    def tally(self) -> Tally:
        """Return the counts over the sockets that read trades; what came before this load does not count."""
        tally = Tally()
        for symbol, pushes in self.collected.pushes.items():
            young = judgement.young_ids(pushes, self.drains[symbol], self.load.age_s)
            for reader in self.readers:
                if reader.trades and reader.symbol == symbol:
                    tally.count(pushes, young, [each for each in reader.trade_ids if each > self._primed_id])
        return tally

    def judge(self, found: Findings) -> None:
        """Add the verdict on each rule."""
        tally, load = self.tally(), self.load
        aged = tally.due - tally.young
        found.judge(
            f"{load.name}: every trade that stood ≥ {load.age_s * 1000:.0f} ms arrives at every socket",
            f"{tally.lost} of {aged} lost",
            passed=tally.lost == 0 < aged,
        )
        found.judge(
            f"{load.name}: once and in order",
            f"{tally.repeated} repeated, {tally.disordered} out of order, {tally.unknown} never pushed",
            passed=tally.repeated == tally.disordered == tally.unknown == 0,
        )
        share = tally.young_lost / max(tally.due, 1)
        bound = (
            f"≤ {YOUNG_LOST_MAX:.1%}" if load is DEPLOYED else "counted, not judged at this pace of drains"
        )
        found.judge(
            f"{load.name}: younger trades lost, of all: {bound}",
            f"{tally.young_lost} of {tally.young} younger ones, {share:.4%} of all",
            passed=share <= YOUNG_LOST_MAX or load is not DEPLOYED,
        )
        self._judge_cache(found)
        self._judge_conduct(found)

    def _judge_cache(self, found: Findings) -> None:
        stale = self.stale_tickers()
        tickers = sum(not reader.trades for reader in self.readers)
        found.judge(
            f"{self.load.name}: the last tick at each socket is the cache's",
            f"{tickers - stale} of {tickers} sockets",
            passed=stale == 0,
        )
        kept = sum(
            len(judgement.kept_from_batch_writer(pushes, self.drains[symbol], self._standing(symbol)))
            for symbol, pushes in self.collected.pushes.items()
        )
        found.judge(
            f"{self.load.name}: the batch writer gets every trade", f"{kept} taken from it", passed=kept == 0
        )
        found.judge(
            f"{self.load.name}: keys that the collector does not write keep value and expiry",
            f"{len(self.changed)} changed {sorted(self.changed)[:3] or ''}".strip(),
            passed=not self.changed,
        )

    def _judge_conduct(self, found: Findings) -> None:
        """Without these two, the counts above would say nothing."""
        late = self.collected.latest_s
        found.judge(
            f"{self.load.name}: the collector keeps its rate",
            f"{self.collected.trades + self.collected.ticks} updates, at most {milliseconds(late)} ms late",
            passed=late <= _LATE_MAX_S,
        )
        found.judge(
            f"{self.load.name}: every socket stays open, queries are answered",
            f"{len(self.ended)} ended {self.ended[:1] or ''}, {self.answers} answers",
            passed=not self.ended and self.answers > 0,
        )

    def _standing(self, symbol: str) -> tuple[int, ...]:
        key = writes.trade_list(cache.EXCHANGE, symbol)
        return collector.trade_ids(
            cast("list[bytes]", self._client.lrange(key, 0, -1))
        )  # typed for both clients
