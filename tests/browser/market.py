"""What the browser tests write as collectors do: a whole demo deployment at first, then single changes."""

import asyncio
import itertools
import os
import time
from collections.abc import Iterable

from redis import Redis

from cache_streams.demo import writes
from cache_streams.demo.scene import Scene
from cache_streams.demo.services import Service

SEED = 7
SYMBOLS = 8
Numbers = itertools.count(1)


class Deployment:
    """The collectors of one gateway: ``opening()`` writes everything once; the rest changes one thing."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url)
        self._scene = Scene(SEED, SYMBOLS, time.time(), os.getpid())

    def opening(self) -> None:
        self._write(self._scene.opening(time.time()))
        for _ in range(40):
            self._write(self._scene.trading(time.time()))
        self._write(self._scene.accounts(time.time()))

    def ticks(self, count: int) -> None:
        self._write(self._scene.ticks(count, time.time()))

    def everything(self) -> None:
        """Change a bit of everything, as a second of a busy deployment does."""
        now = time.time()
        scene = self._scene
        self._write([*scene.ticks(20, now), *scene.trading(now), *scene.accounts(now), *scene.bots(now)])

    def tick(self, exchange: str, symbol: str, price: float, *, age_s: float = 0.0) -> None:
        stored = {"symbol": symbol, "exchange": exchange, "price": price, "time": time.time() - age_s}
        self._write(writes.tick(exchange, symbol, stored | {"volume": 1.0, "bid": price, "ask": price}))

    def trade(self, exchange: str, symbol: str, price: float, volume: float = 1.0) -> None:
        now = time.time()
        stored = {"trade_id": f"t{next(Numbers)}", "symbol": symbol, "side": "buy", "volume": volume}
        self._write(writes.trade(exchange, symbol, stored | {"price": price, "time": now}, now))

    def order(self, exchange: str, order_id: str, status: str, **fields: object) -> None:
        stored = {"order_id": order_id, "symbol": "BTC/USDC", "side": "buy", "volume": 2.0, "price": 64_000.0}
        told = {"status": status, "bot_id": 1, "uid": 1, "ex_id": 1, "timestamp": writes.iso(time.time())}
        self._write(writes.order(exchange, order_id, {**stored, **told, **fields}))

    def forget(self, exchange: str, order_id: str) -> None:
        self._write(writes.forget_order(exchange, order_id))

    def block(self, exchange: str, symbol: str, bot: str) -> None:
        self._write(writes.block(exchange, symbol, bot, time.time()))

    def unblock(self, exchange: str, symbol: str) -> None:
        self._write([*writes.opened(exchange, symbol), *writes.unblock(exchange, symbol)])

    def beat(self, process: str, *, age_s: float) -> None:
        """Let a bot's process have reported itself ``age_s`` ago."""
        self._write(writes.beat(self._service(process), time.time() - age_s))

    def end(self, process: str) -> None:
        self._write([*writes.stop(self._service(process), time.time()), ("DEL", f"process:data:{process}")])

    def account(
        self, account: str, balances: dict[str, float], positions: dict[str, tuple[float, float]]
    ) -> None:
        """``positions``: symbol → volume, entry price."""
        at = writes.iso(time.time())
        held = {currency: {"total": each, "free": each, "used": 0.0} for currency, each in balances.items()}
        open_ = {
            symbol: {
                "volume": volume,
                "price": price,
                "cost": volume * price,
                "fee": 0.0,
                "timestamp": time.time(),
            }
            for symbol, (volume, price) in positions.items()
        }
        self._write(writes.account(account, {**held, "date": at}, {**open_, "timestamp": at}))

    def forget_account(self, account: str) -> None:
        self._write([("HDEL", "accounts", account), ("HDEL", "account_positions", account)])

    async def busy(self, rounds_per_s: float = 10.0) -> None:
        """Change a bit of everything until cancelled."""
        while True:
            self.everything()
            await asyncio.sleep(1 / rounds_per_s)

    def close(self) -> None:
        self._redis.close()

    @staticmethod
    def _service(process: str) -> Service:
        return Service(process, "bot", process, {}, writes.iso(time.time()))

    def _write(self, commands: Iterable[writes.Command]) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            pipe.execute()
