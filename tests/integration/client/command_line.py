"""The command line as a process of its own, with or without a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tests.live import BASE, LiveServer

DEADLINE_S = 20.0
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")


@dataclass
class Shell:
    """A person's machine: where ``login`` keeps credentials, and what the environment says."""

    server: LiveServer
    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        plain = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "COVERAGE_PROCESS_START")
            if name in os.environ
        }
        return {
            **plain, "FULLON_URL": self.server.url, "FULLON_STREAM_HOME": str(self.home), "TERM": "xterm-256color",
            "PYTHONPATH": str(BASE), "PYTHONDEVMODE": "1", "COLUMNS": "100", "LINES": "30", **self.variables,
        }  # fmt: skip

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Return how a command ended that ends by itself."""
        return subprocess.run(
            self.command(arguments), env=self.environment, cwd=self.home, input=given,
            capture_output=True, text=True, check=False, timeout=DEADLINE_S * 3,
        )  # fmt: skip

    @contextmanager
    def running(self, *arguments: str) -> Iterator[Running]:
        """Run a command through pipes."""
        process = subprocess.Popen(
            self.command(arguments), env=self.environment, cwd=self.home,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        with _ended(process):
            assert process.stdout is not None
            yield Running(process, process.stdout.fileno())

    @contextmanager
    def on_terminal(self, *arguments: str, given: Path | None = None) -> Iterator[Running]:
        """Run a command in a terminal of 100 columns, with a file as its input if one is given."""
        ours, theirs = pty.openpty()
        with nullcontext(theirs) if given is None else given.open("rb") as read:
            process = subprocess.Popen(
                self.command(arguments), env=self.environment, cwd=self.home,
                stdin=read, stdout=theirs, stderr=theirs, start_new_session=True,
            )  # fmt: skip
        os.close(theirs)
        with _ended(process):
            yield Running(process, ours)
        os.close(ours)

    @staticmethod
    def command(arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "cache_streams.client", *arguments]


@dataclass
class Running:
    """A command that runs; ``shown`` is what came out so far."""

    process: subprocess.Popen[bytes]
    output: int
    shown: bytes = b""

    @property
    def plain(self) -> str:
        """What came out, without colours and the like."""
        return ESCAPES.sub(b"", self.shown).decode()

    def await_shown(self, *texts: str) -> None:
        self.await_that(lambda: all(text in self.plain for text in texts))

    def await_that(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {self.plain!r}"
            assert self._read(0.1) or self.process.poll() is None, f"it ended before: {self.plain!r}"

    def press(self, keys: str) -> None:
        os.write(self.output, keys.encode())

    def ended(self, by: signal.Signals | None = None) -> int:
        """Return the exit code, after a signal if one is given."""
        if by is not None:
            self.process.send_signal(by)
        deadline = time.monotonic() + DEADLINE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end: {self.plain!r}"
            self._read(0.05)
        while self._read(0.0):
            pass
        return self.process.returncode

    def _read(self, wait_s: float) -> bool:
        if not select.select([self.output], [], [], wait_s)[0]:
            return False
        try:
            part = os.read(self.output, 65536)
        except OSError:  # the other side of a terminal is gone
            part = b""
        self.shown += part
        return bool(part)


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
