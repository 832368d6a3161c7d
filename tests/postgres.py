"""A private, real PostgreSQL for one test process."""

import functools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil
import psycopg

from cache_streams.server.children import dying_with_parent

_START_DEADLINE_S = 30.0
_STOP_DEADLINE_S = 5.0
_RUN_AS = "nobody"  # PostgreSQL refuses to run as root


@dataclass
class TestPostgres:
    """A running PostgreSQL: the one on PATH, else the one of the ``pgserver`` wheel. ``url`` is a DATABASE_URL."""

    __test__ = False  # pytest must not collect it

    url: str
    _directory: Path
    _run: Callable[[], Callable[[], None]]
    """Starts a server over the cluster that there is, and returns what ends it."""
    _end: Callable[[], None]

    @classmethod
    def start(cls) -> Self:
        """Return a server that accepts connections. Raises: RuntimeError with the last lines of its log."""
        directory = Path(tempfile.mkdtemp(prefix="gw-postgres-"))
        postgres = shutil.which("postgres")
        if postgres is None or (os.geteuid() == 0 and shutil.which("setpriv") is None):
            url, end = _of_wheel(directory)
            return cls(url, directory, lambda: _of_wheel(directory)[1], end)
        binaries, port = Path(postgres).resolve().parent, _free_port()
        _make_cluster(binaries, directory)
        run = functools.partial(_run, binaries, directory, port)
        return cls(f"postgresql://postgres@127.0.0.1:{port}/postgres", directory, run, run())

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """End the server, which hangs up on everybody, and start it again at its address after the block."""
        self._end()
        try:
            yield
        finally:
            self._end = self._run()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let nobody into the database during the block, and throw out whoever is in."""
        beside = self.url.rpartition("/postgres")
        with psycopg.connect(f"{beside[0]}/template1{beside[2]}", autocommit=True) as administrator:
            administrator.execute("ALTER DATABASE postgres ALLOW_CONNECTIONS false")
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'"
            )
            try:
                yield
            finally:
                administrator.execute("ALTER DATABASE postgres ALLOW_CONNECTIONS true")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop every process of the server for the block: it neither answers nor hangs up."""
        postmaster = psutil.Process(
            int((self._directory / "cluster" / "postmaster.pid").read_text().split()[0])
        )
        postmaster.suspend()  # first, so that no more are made
        backends = postmaster.children(recursive=True)
        for backend in backends:
            backend.suspend()
        try:
            yield
        finally:
            for process in (*backends, postmaster):
                process.resume()

    def stop(self) -> None:
        """End the server and remove its files."""
        self._end()
        shutil.rmtree(self._directory, ignore_errors=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)  # fast: SIGTERM would wait for open connections
        try:
            process.wait(_STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _make_cluster(binaries: Path, directory: Path) -> None:
    """Make a cluster below ``directory``, for the account that the server runs under."""
    if os.geteuid() == 0:
        account = pwd.getpwnam(_RUN_AS)
        os.chown(directory, account.pw_uid, account.pw_gid)
    cluster = str(directory / "cluster")
    initdb = [str(binaries / "initdb"), "-D", cluster, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"]
    subprocess.run([*_unprivileged(), *initdb], check=True, capture_output=True, cwd=directory)


def _run(binaries: Path, directory: Path, port: int) -> Callable[[], None]:
    """Start the server of a cluster; return what ends it once it accepts. Raises: RuntimeError with its log's last lines."""
    process = _spawn(binaries, directory, port)
    probe = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    deadline = time.monotonic() + _START_DEADLINE_S
    while subprocess.run(probe, check=False).returncode != 0:
        if time.monotonic() > deadline or process.poll() is not None:
            _end(process)
            log = (directory / "log").read_text(errors="replace")
            shutil.rmtree(directory, ignore_errors=True)
            raise RuntimeError(f"PostgreSQL did not start: {log[-500:]}")
        time.sleep(0.02)
    return functools.partial(_end, process)


def _spawn(binaries: Path, directory: Path, port: int) -> subprocess.Popen[bytes]:
    # Durability costs time and protects nothing here: the cluster goes with the process.
    quick = [f"-c{name}=off" for name in ("fsync", "synchronous_commit", "full_page_writes")]
    cluster = str(directory / "cluster")
    command = [str(binaries / "postgres"), "-D", cluster, "-p", str(port), "-k", str(directory), *quick]
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(
            [*_unprivileged(), *command] if _unprivileged() else dying_with_parent(*command),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory, start_new_session=True,
        )  # fmt: skip


def _unprivileged() -> list[str]:
    """Return the command prefix that leaves root and still dies with this process; empty when it is not root."""
    if os.geteuid() != 0:
        return []
    group = str(pwd.getpwnam(_RUN_AS).pw_gid)
    return ["setpriv", f"--reuid={_RUN_AS}", f"--regid={group}", "--clear-groups", "--pdeathsig=INT"]


def _of_wheel(directory: Path) -> tuple[str, Callable[[], None]]:
    """Return the URL of the wheel's server, which it runs under an account of its own, and what ends it."""
    from pgserver.postgres_server import get_server  # where PATH has PostgreSQL the wheel need not exist

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells where it puts a socket when there is no XDG_RUNTIME_DIR
        server = get_server(directory / "cluster", cleanup_mode="stop")
    return str(server.get_uri()), server.cleanup


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
