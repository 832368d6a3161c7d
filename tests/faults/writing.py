"""What a deployment writes while faults befall the gateway: every stream, round after round, several writers at once."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from types import TracebackType
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from tests.faults.stand import Stand
from tests.integration.cache_sockets import token_of
from tests.integration.wire.collector import Collector, fresh_account, fresh_name, iso, position, trade

MARKET = "BTC/USDC"
PAUSE_S = 0.04
EVENTS_PAUSE_S = 0.2
WRITE_TIMEOUT_S = 2.0
FIRST_BAR = 1_700_000_000
FINAL = 1_000_000
ORDERS_KEPT = 5
PROCESS_KIND = "crawler"

Write = Callable[[Collector, int], None]


class Names:
    """Keys of the cache that one test has for itself."""

    def __init__(self) -> None:
        self.exchange, self.bot, self.symbol = (fresh_name(each) for each in "xbs")
        self.process = f"{PROCESS_KIND}:{self.exchange}:1.5"
        self.account = fresh_account()


def writes(names: Names, padding: int) -> list[list[Write]]:
    """Return what each of the writers does in a round; they write different streams at the same time.

    ``padding``: characters by which the state of a bot is longer.
    """

    def tick(collector: Collector, number: int) -> None:
        collector.tick(names.exchange, MARKET, price=float(number))

    def deal(collector: Collector, number: int) -> None:
        collector.trades(names.exchange, MARKET, trade(number))

    def order(collector: Collector, number: int) -> None:
        collector.order(names.exchange, f"O{number}", ex_id=7)
        collector.do("HDEL", f"order_status:{names.exchange}", f"O{number - ORDERS_KEPT}")

    def account(collector: Collector, number: int) -> None:
        collector.account(names.account, X={"total": number, "free": 1, "used": 1})

    def holding(collector: Collector, number: int) -> None:
        collector.positions(names.account, **{MARKET: position(float(number))})

    def bot(collector: Collector, number: int) -> None:
        collector.bot(names.bot, f={"n": number, "note": "x" * padding})

    def bar(collector: Collector, number: int) -> None:
        collector.bars(names.symbol, "1m", [FIRST_BAR + 60 * number, 1, 2, 0.5, number, 5])

    def process(collector: Collector, number: int) -> None:
        now = iso()
        stored = {
            "process_id": names.process, "process_type": PROCESS_KIND, "component": "c", "params": {}, "status": "running",
            "message": str(number), "created_at": now, "updated_at": now, "heartbeat": now,
        }  # fmt: skip
        collector.do("SET", f"process:data:{names.process}", json.dumps(stored), "EX", 86400)
        collector.do("HSET", f"process:active:{PROCESS_KIND}", names.process, now)

    return [[tick, order, bar], [deal], [account, holding, bot, process]]


class Writers:
    """Write until the block ends. Every number is written once at most; the last ones, from ``FINAL`` on, are certain."""

    def __init__(self, stand: Stand, names: Names, *, padding: int = 0) -> None:
        self._stand = stand
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(each,), daemon=True) for each in writes(names, padding)
        ]
        self._threads.append(threading.Thread(target=self._report, daemon=True))
        self.certain: dict[str, list[int]] = {}
        """Numbers that Redis confirmed, by what was written; of the others nobody knows."""
        self.events = 0
        """Events of agents that the gateway confirmed."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _write(self, parts: list[Write]) -> None:
        number = 0
        with Redis.from_url(self._stand.redis_url, socket_timeout=WRITE_TIMEOUT_S) as redis:
            collector = Collector(redis)
            while not self._ending.is_set():
                number += 1
                for part in parts:
                    self._try(part, collector, number)
                self._ending.wait(PAUSE_S)
            for part in parts:  # the end is written for certain, so that it can be waited for
                number = max(number, FINAL)
                while not self._try(part, collector, number):
                    number += 1
                    time.sleep(PAUSE_S)

    def _try(self, part: Write, collector: Collector, number: int) -> bool:
        try:
            part(collector, number)
        except (RedisError, OSError):
            return False
        self.certain.setdefault(part.__name__, []).append(number)
        return True

    def _report(self) -> None:
        """Append to a run of agents, through whichever worker answers."""
        run_id = ""
        while not self._ending.wait(EVENTS_PAUSE_S):
            try:
                if not run_id:
                    run_id = str(self._post("/runs/", {"agent_name": "triage"})["run_id"])
                else:
                    event = {"type": "agent_thinking", "reasoning": str(self.events + 1)}
                    self._post(f"/runs/{run_id}/events/", event)
                self.events += 1
            except (OSError, urllib.error.HTTPError, ValueError):
                continue  # a worker died, or the gateway waits for somebody: it is tried again

    def _post(self, path: str, body: object) -> dict[str, object]:
        server = self._stand.server
        request = urllib.request.Request(f"{server.url}/api/v1/agents{path}", json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Bearer {token_of(server)}")
        with urllib.request.urlopen(request, timeout=WRITE_TIMEOUT_S) as answer:
            told: dict[str, object] = json.loads(answer.read())
        return told
