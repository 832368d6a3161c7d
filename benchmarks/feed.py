"""``python -m benchmarks.feed``: publishes updates at a rate, each stamped with the moment of its sending, and says how it went.

It prints ``ready``; each line of its input is a number of seconds for which it publishes, and then prints a line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
import redis

from benchmarks import cache, receiver, updates
from cache_streams.demo import writes
from cache_streams.demo.writes import Command

Send = Callable[[list[tuple[int, int]]], None]
"""Publishes updates that are due, each (instrument, count)."""
_STEP_S = 0.001


def _ticks(address: str) -> Send:
    """Write tickers as the collectors do: the gateway's own path."""
    client = redis.Redis.from_url(address)

    def send(due: list[tuple[int, int]]) -> None:
        now = time.time()
        commands: list[Command] = []
        for number, count in due:
            stored = updates.stored(number, count, now)
            commands += writes.tick(cache.EXCHANGE, updates.symbol(number), stored)
        cache.send(client, commands)

    return send


def _trades(address: str) -> Send:
    """Push trades as the collectors do: of them, each one counts."""
    client = redis.Redis.from_url(address)
    first = int(time.time() * 1000)  # ids grow from one feed to the next

    def send(due: list[tuple[int, int]]) -> None:
        now = time.time()
        commands: list[Command] = []
        for number, count in due:
            stored = updates.trade(number, first + count, now)
            commands += writes.trade(cache.EXCHANGE, updates.symbol(number), stored, now)
        cache.send(client, commands)

    return send


def _to_redis(address: str) -> Send:
    """Publish to Redis, for servers that subscribe there."""
    client = redis.Redis.from_url(address)

    def send(due: list[tuple[int, int]]) -> None:
        now = time.time()
        cache.send(
            client, [("PUBLISH", updates.channel(n), updates.payload(n, count, now)) for n, count in due]
        )

    return send


def _to_http(address: str) -> Send:
    """Post to nchan on one connection, without waiting for an answer before the next post: it answers after its fan-out."""
    host, _, port = address.partition(":")
    connection = socket.create_connection((host, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(due: list[tuple[int, int]]) -> None:
        for number, count in due:
            body = updates.payload(number, count, time.time())
            head = f"POST /pub?id={updates.channel(number)} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}"
            connection.sendall(f"{head}\r\n\r\n{body}".encode())
        with suppress(BlockingIOError):
            connection.recv(1 << 20, socket.MSG_DONTWAIT)

    return send


def _to_nats(address: str) -> Send:
    """Publish over NATS' own protocol."""
    host, _, port = address.partition(":")
    connection = socket.create_connection((host, int(port)))
    connection.recv(65536)
    connection.sendall(b'CONNECT {"verbose":false}\r\n')

    def send(due: list[tuple[int, int]]) -> None:
        for number, count in due:
            body = updates.payload(number, count, time.time())
            connection.sendall(f"PUB {updates.channel(number)} {len(body)}\r\n{body}\r\n".encode())

    return send


def _to_socket(address: str) -> Send:
    """Publish through a WebSocket of the server's own."""
    host, _, port = address.partition(":")
    connection = socket.create_connection((host, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(receiver.upgrade(int(port), "/publish"))
    connection.recv(65536)

    def send(due: list[tuple[int, int]]) -> None:
        for number, count in due:
            text = f"{updates.channel(number)} {updates.payload(number, count, time.time())}"
            connection.sendall(receiver.masked(text))

    return send


def _to_groups(address: str) -> Send:
    """``group_send`` of plain Channels, from a process of its own, as a Django project does it."""
    from channels.layers import get_channel_layer  # configured only in the process that needs it

    backend, _, redis_url = address.partition(" ")
    os.environ.update(PLAIN_LAYER=backend, PLAIN_REDIS_URL=redis_url)
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.peers.plain_channels.settings"
    layer = get_channel_layer()
    if layer is None:
        raise RuntimeError("the plain application has a channel layer")
    group_send: Callable[..., Awaitable[None]] = layer.group_send
    loop = asyncio.new_event_loop()

    async def send_all(due: list[tuple[int, int]]) -> None:
        for number, count in due:
            message = {"type": "market.update", "text": updates.payload(number, count, time.time())}
            await group_send(updates.channel(number), message)

    return lambda due: loop.run_until_complete(send_all(due))


TARGETS: dict[str, Callable[[str], Send]] = {
    "ticks": _ticks,
    "trades": _trades,
    "redis": _to_redis,
    "http": _to_http,
    "nats": _to_nats,
    "socket": _to_socket,
    "groups": _to_groups,
}


class Fed(msgspec.Struct, frozen=True):
    """What a feed did: updates ``sent``, how late it ever was (s), how long it took, CPU seconds used."""

    sent: int
    late_s: float
    took_s: float
    cpu_s: float


def publish(send: Send, *, rate: float, seconds: float, instruments: int, first: int = 0) -> Fed:
    """Publish ``rate`` updates/s in all, in turn over the instruments; ``first`` is the count of the first."""
    total, written, late_s = int(rate * seconds), 0, 0.0
    start, used = time.monotonic(), time.process_time()
    while written < total:
        time.sleep(max(start + written / rate - time.monotonic(), 0.0))
        passed = time.monotonic() - start
        late_s = max(late_s, passed - written / rate)
        due = min(int(passed * rate) + 1, total)
        send([(count % instruments, first + count) for count in range(written, due)])
        written = due
        time.sleep(_STEP_S)
    return Fed(written, late_s, time.monotonic() - start, time.process_time() - used)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feed", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("address")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--instruments", type=int, default=1)
    options = parser.parse_args()
    send = TARGETS[options.target](options.address)
    print("ready", flush=True)
    sent = 0
    for line in sys.stdin:
        fed = publish(
            send, rate=options.rate, seconds=float(line), instruments=options.instruments, first=sent
        )
        sent += fed.sent
        print(msgspec.json.encode(fed).decode(), flush=True)


if __name__ == "__main__":
    main()
