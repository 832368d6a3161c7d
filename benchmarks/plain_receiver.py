"""The receiver where there is no C compiler: same arguments, same conversation as ``receiver.c``, but slower."""

from __future__ import annotations

import asyncio
import struct
import sys
import time
from dataclasses import dataclass, field

import msgspec

from benchmarks.receiver import Told
from benchmarks.report import percentile
from benchmarks.sockets import Socket
from benchmarks.updates import MIN_BYTES

_DEADLINE_S = 60.0
_LENGTHS = struct.Struct("<II")


@dataclass(slots=True)
class _Counter:
    """What has arrived at all sockets; ``each`` by socket."""

    marker: bytes
    sockets: list[Socket] = field(default_factory=list)
    each: list[int] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    received: int = 0
    opened_s: float = 0.0
    refused: int = 0
    refusal: str = ""

    def take(self, number: int, payload: bytes, arrived: float) -> None:
        """Count a frame of socket ``number``."""
        if len(payload) < MIN_BYTES:
            return
        self.each[number] += 1
        self.received += len(payload)
        _, found, rest = payload.partition(self.marker)
        if found:
            self.ages.append(arrived - float(rest.split(b",", 1)[0].rstrip(b"}")))

    def told(self) -> Told:
        """Return the line that the C receiver would print."""
        return Told(
            opened=len(self.sockets), refused=self.refused, closed=sum(s.ended is not None for s in self.sockets),
            opened_s=self.opened_s, first=sum(map(bool, self.each)), first_s=self.opened_s, updates=sum(self.each),
            fewest=min(self.each), most=max(self.each), bytes=self.received, reads=0, samples=len(self.ages), skipped=0,
            p50_ms=_ms(self.ages, 0.5), p99_ms=_ms(self.ages, 0.99), max_ms=_ms(self.ages, 1.0),
            cpu_s=time.process_time(), fresh=0, fresh_s=0.0, refusal=self.refusal,
        )  # fmt: skip

    def zero(self) -> None:
        """Count anew."""
        self.each, self.ages, self.received = [0] * len(self.each), [], 0


def _ms(ages: list[float], share: float) -> float:
    return percentile(ages, share) * 1000 if ages else 0.0


async def _open(counter: _Counter, number: int, port: int, request: bytes, hello: bytes) -> None:
    _, socket = await asyncio.get_running_loop().create_connection(
        lambda: Socket(lambda payload, arrived: counter.take(number, payload, arrived)), "127.0.0.1", port
    )
    socket.write(request)
    try:
        await socket.opened
    except Exception as refusal:  # noqa: BLE001  # whatever it was, it is told and counted
        counter.refused, counter.refusal = counter.refused + 1, str(refusal)
        return
    counter.sockets.append(socket)
    if hello:
        socket.write(hello)


async def _receive(port: int, count: int, at_once: int, marker: str) -> None:
    counter = _Counter(marker.encode(), each=[0] * count)
    plan = []
    for _ in range(count):
        request, hello = _LENGTHS.unpack(sys.stdin.buffer.read(_LENGTHS.size))
        plan.append((sys.stdin.buffer.read(request), sys.stdin.buffer.read(hello)))
    began = time.monotonic()
    async with asyncio.timeout(_DEADLINE_S):
        for start in range(0, count, at_once):
            numbers = range(start, min(start + at_once, count))
            await asyncio.gather(*(_open(counter, number, port, *plan[number]) for number in numbers))
    counter.opened_s = time.monotonic() - began
    print(msgspec.json.encode(counter.told()).decode(), flush=True)
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        if line == b"zero\n":
            counter.zero()
        print(msgspec.json.encode(counter.told()).decode(), flush=True)


def main() -> None:
    port, sockets, at_once, marker, options, _every = sys.argv[1:]
    if set(options) - {"f"}:
        sys.exit(f"options {options}: a server that joins updates, or deaf sockets, need the receiver in C")
    asyncio.run(_receive(int(port), int(sockets), int(at_once), marker))


if __name__ == "__main__":
    main()
