"""Many sockets that are counted: a process in C, or where there is no C compiler the Python one that says the same."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from benchmarks import compiled
from benchmarks.machine import BASE
from benchmarks.processes import OTHER_CORES, pin
from benchmarks.updates import MARKER
from cache_streams.server.children import dying_with_parent

SOURCE = Path(__file__).with_name("receiver.c")
AT_ONCE = 64
_LENGTHS = struct.Struct("<II")


class Told(msgspec.Struct, frozen=True):
    """What a receiver has counted since it was last zeroed; sockets and times of opening since it began."""

    opened: int
    refused: int
    closed: int
    opened_s: float
    first: int
    first_s: float
    updates: int
    fewest: int
    most: int
    bytes: int
    reads: int
    samples: int
    skipped: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_s: float
    fresh: int
    fresh_s: float
    refusal: str


@dataclass(frozen=True, slots=True)
class Opening:
    """How one socket is opened: the handshake's bytes, and those that follow its answer."""

    request: bytes
    hello: bytes = b""


@dataclass(slots=True)
class Receiver:
    """A running receiver whose sockets are open; ``told`` is what it said when they were."""

    pid: int
    told: Told
    _process: subprocess.Popen[bytes]

    def zero(self) -> Told:
        """Count anew."""
        return self._ask(b"zero\n")

    def tell(self) -> Told:
        """Return what was counted."""
        return self._ask(b"tell\n")

    def wake(self) -> Told:
        """Let deaf sockets read."""
        return self._ask(b"wake\n")

    def _ask(self, command: bytes) -> Told:
        stdin, stdout = _pipes(self._process)
        stdin.write(command)
        stdin.flush()
        return _line(stdout)


def is_compiled() -> bool:
    """Return whether there is a C compiler."""
    return compiled.compiler() is not None


@contextmanager
def receiving(
    port: int,
    openings: Sequence[Opening],
    *,
    options: str = "",
    at_once: int = AT_ONCE,
    sample_every: int = 1,
    marker: str = MARKER,
) -> Iterator[Receiver]:
    """Open a socket for each of ``openings``; yield when all are open or refused. Options: see ``receiver.c``."""
    plain = [sys.executable, "-m", "benchmarks.plain_receiver"]
    program = [str(compiled.program(SOURCE))] if is_compiled() else plain
    command = [*program, str(port), str(len(openings)), str(at_once), marker, options, str(sample_every)]
    with subprocess.Popen(
        dying_with_parent(*command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=BASE
    ) as process:
        try:
            pin([process.pid], OTHER_CORES)
            stdin, stdout = _pipes(process)
            for opening in openings:
                stdin.write(_LENGTHS.pack(len(opening.request), len(opening.hello)))
                stdin.write(opening.request + opening.hello)
            stdin.flush()
            yield Receiver(process.pid, _line(stdout), process)
        finally:
            process.kill()


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a receiver is started with pipes")
    return process.stdin, process.stdout


def _line(stdout: IO[bytes]) -> Told:
    line = stdout.readline()
    if not line:
        raise RuntimeError("the receiver has ended; what it said stands above")
    return msgspec.json.decode(line, type=Told)


def upgrade(port: int, path: str, *headers: str) -> bytes:
    """Return the request of a WebSocket handshake for ``path``."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def masked(text: str) -> bytes:
    """Return a client's text frame; its mask is zeros, which leaves the payload as it is."""
    payload = text.encode()
    short = len(payload) <= 125  # noqa: PLR2004  # the RFC's own number
    length = bytes([0x80 | len(payload)]) if short else b"\xfe" + len(payload).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + payload
