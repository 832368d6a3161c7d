"""The metrics of every process of one machine, told by whichever of them is asked.

Each process counts for itself, at the price of an addition, and answers on a Unix socket in a directory of the
supervisor's. Nothing is written while nobody asks.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import structlog
from prometheus_client import REGISTRY, Metric
from prometheus_client.registry import Collector

from cache_streams.metrics import SCRAPES_FAILED

ANSWER_WITHIN_S = 2.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024
ASKED_AT_ONCE = 16
ALONE = "main"
"""The name of a process that no supervisor gave one."""
_SUFFIX = ".sock"

logger = structlog.get_logger(__name__)


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One number of a metric."""

    name: str
    labels: dict[str, str]
    value: float


class Told(msgspec.Struct, frozen=True, array_like=True):
    """One metric as one process tells it."""

    name: str
    documentation: str
    type: str
    samples: list[Sample]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Told])


class _Here:
    """Where this process finds the others."""

    directory: Path | None = None


class Everything(Collector):
    """What several processes told, each number labelled with its process; what ``prometheus_client`` encodes."""

    def __init__(self, by_process: Mapping[str, Iterable[Told]]) -> None:
        self._by_process = by_process

    def collect(self) -> Iterable[Metric]:
        """Return every metric once, however many processes told it."""
        metrics: dict[str, Metric] = {}
        for process, told in self._by_process.items():
            for each in told:
                metric = metrics.setdefault(each.name, Metric(each.name, each.documentation, each.type))
                for sample in each.samples:
                    metric.add_sample(sample.name, {"process": process, **sample.labels}, sample.value)
        return metrics.values()


def told_here() -> list[Told]:
    """Return the metrics of this process."""
    return [
        Told(
            metric.name,
            metric.documentation,
            metric.type,
            # When a counter was created nobody asks, and it would double the answer.
            [Sample(s.name, s.labels, s.value) for s in metric.samples if not s.name.endswith("_created")],
        )
        for metric in REGISTRY.collect()
    ]


@asynccontextmanager
async def telling(directory: Path | None, name: str) -> AsyncIterator[None]:
    """Answer whoever asks for this process' metrics, under ``name``, until the block ends; without a directory nobody can."""
    if directory is None:
        yield
        return
    path = directory / f"{name.replace(' ', '-')}{_SUFFIX}"
    path.unlink(missing_ok=True)  # that of the process whose place this one takes; it may still drain
    server = await asyncio.start_unix_server(_tell, path)
    own = path.stat().st_ino
    _Here.directory = directory
    try:
        yield
    finally:
        _Here.directory = None
        server.close()
        with suppress(FileNotFoundError):
            if path.stat().st_ino == own:  # else it is the successor's
                path.unlink()


async def _tell(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, TimeoutError):  # who asked has gone
        writer.write(_ENCODER.encode(told_here()))
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await writer.drain()
    writer.close()


def everything() -> Everything:
    """Return the metrics of every process that answers within 2 s. Blocks: for a thread."""
    directory = _Here.directory
    if directory is None:
        return Everything({ALONE: told_here()})
    paths = sorted(directory.glob(f"*{_SUFFIX}"))
    with ThreadPoolExecutor(min(ASKED_AT_ONCE, len(paths) or 1)) as threads:
        answers = dict(zip((path.stem for path in paths), threads.map(_ask, paths), strict=True))
    return Everything({name: told for name, told in answers.items() if told is not None})


def _ask(path: Path) -> list[Told] | None:
    """Return what the process behind ``path`` tells; None, counted, when it tells nothing."""
    try:
        return _DECODER.decode(_received(path))
    except (OSError, msgspec.DecodeError) as error:
        SCRAPES_FAILED.labels(path.stem).inc()
        logger.warning("a process tells no metrics", process=path.stem, error=type(error).__name__)
        return None


def _received(path: Path) -> bytes:
    """Return all that is sent until the end. Raises: OSError, also after 2 s."""
    deadline = time.monotonic() + ANSWER_WITHIN_S
    parts, size = [], 0
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(ANSWER_WITHIN_S)
        asked.connect(str(path))
        while part := asked.recv(65536):
            parts.append(part)
            size += len(part)
            if size > ANSWER_BYTES_MAX or time.monotonic() > deadline:
                raise TimeoutError
    return b"".join(parts)
