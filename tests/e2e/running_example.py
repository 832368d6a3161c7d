"""What the tests of the examples share: a running example, a collector's writes, and a gateway that misbehaves."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Self

import redis
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from cache_streams.demo import writes
from tests.live import BASE, LiveServer

EXAMPLES = BASE / "examples"
SCRIPT = EXAMPLES / "example_cache_websocket.py"
DEADLINE_S = 20.0
Write = Callable[[Iterable[writes.Command]], None]


class Example:
    """One running example; ``shown`` and ``log`` are what it wrote so far to stdout and to stderr."""

    def __init__(self, directory: Path, environment: dict[str, str], *arguments: str, script: Path) -> None:
        self._output, self._errors = directory / "stdout", directory / "stderr"
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(script), *arguments],
                env=environment, cwd=directory, stdout=output, stderr=errors,
            )  # fmt: skip

    @property
    def shown(self) -> str:
        return self._output.read_text()

    @property
    def log(self) -> str:
        return self._errors.read_text()

    def await_that(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert self.process.poll() is None, f"it ended before: {self.shown}{self.log}"
            assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {self.shown}{self.log}"
            time.sleep(0.02)

    def await_shown(self, *texts: str) -> None:
        self.await_that(lambda: all(each in self.shown for each in texts))

    def await_connected(self) -> None:
        self.await_that(lambda: "event=connected" in self.log)

    def ended(self) -> int:
        return self.process.wait(DEADLINE_S)

    def interrupted(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.ended()


@contextmanager
def running(
    directory: Path, environment: dict[str, str], *arguments: str, script: Path = SCRIPT
) -> Iterator[Example]:
    """Run an example with ``directory`` for what it writes; it is ended at exit."""
    started = Example(directory, environment, *arguments, script=script)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def beside(server: LiveServer, **settings_: str) -> dict[str, str]:
    """Return the environment of somebody who runs the example beside ``server``."""
    return {**server.environment, "WS_BASE_URL": f"{server.ws_url}/api/v1/cache", **settings_}


@contextmanager
def collector(server: LiveServer) -> Iterator[Write]:
    """Yield a function that sends a collector's commands to the Redis of ``server``."""
    with redis.Redis.from_url(server.redis_url) as client:

        def write(commands: Iterable[writes.Command]) -> None:
            for command in commands:
                client.execute_command(*command)

        yield write


def tick(exchange: str, price: float, symbol: str = "BTC/USDC") -> list[writes.Command]:
    stored = {
        "symbol": symbol,
        "exchange": exchange,
        "price": price,
        "time": time.time(),
        "volume": None,
        "bid": 1.5,
    }
    return writes.tick(exchange, symbol, stored)


def trade(exchange: str, number: int) -> list[writes.Command]:
    stored = {
        "trade_id": number,
        "symbol": "BTC/USDC",
        "side": "buy",
        "volume": number,
        "price": 2.0,
        "time": time.time(),
    }
    return writes.trade(exchange, "BTC/USDC", stored, time.time())


def order(exchange: str, order_id: str, status: str) -> list[writes.Command]:
    stored = {
        "order_id": order_id,
        "symbol": "BTC/USDC",
        "side": "sell",
        "volume": 0.5,
        "price": None,
        "status": status,
    }
    return writes.order(exchange, order_id, stored)


def balances(account: int, free: float) -> list[writes.Command]:
    held = {"USDT": {"total": 100.0, "free": free, "used": 100.0 - free}, "date": "2026-01-15 10:30:00"}
    return writes.account(str(account), held, {"timestamp": "2026-01-15T10:30:00+00:00"})


class OddGateway:
    """Answers ``/health``, lets everybody in, and sends ``frames``: what no gateway of ours would do."""

    def __init__(self, *frames: str | bytes) -> None:
        self._frames = frames
        self.paths: list[str] = []
        self._server = serve(self._send, "127.0.0.1", 0, process_request=self._answer)
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/api/v1/cache"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        return (
            connection.respond(HTTPStatus.OK, '{"status": "healthy"}') if request.path == "/health" else None
        )

    def _send(self, connection: ServerConnection) -> None:
        for frame in self._frames:
            connection.send(frame)
        for _ in connection:  # until the example closes
            pass


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
