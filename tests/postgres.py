"""A private, real PostgreSQL for one test process."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cache_streams.server.children import dying_with_parent

_START_DEADLINE_S = 30.0
_RUN_AS = "nobody"  # PostgreSQL refuses to run as root


@dataclass
class TestPostgres:
    """A running PostgreSQL: the one on PATH, else the one of the ``pgserver`` wheel. ``url`` is a DATABASE_URL."""

    __test__ = False  # pytest must not collect it

    url: str
    _process: subprocess.Popen[bytes] | None
    _directory: Path

    @classmethod
    def start(cls) -> Self:
        """Return a server that accepts connections. Raises: RuntimeError with the last lines of its log."""
        directory = Path(tempfile.mkdtemp(prefix="gw-postgres-"))
        postgres = shutil.which("postgres")
        if postgres is None or (os.geteuid() == 0 and shutil.which("setpriv") is None):
            return cls(_url_of_wheel(directory), None, directory)
        if os.geteuid() == 0:
            account = pwd.getpwnam(_RUN_AS)
            os.chown(directory, account.pw_uid, account.pw_gid)
        binaries = Path(postgres).resolve().parent
        cluster = directory / "cluster"
        subprocess.run(
            [*_unprivileged(), binaries / "initdb", "-D", cluster, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"],
            check=True, capture_output=True, cwd=directory,
        )  # fmt: skip
        port = _free_port()
        # Durability costs time and protects nothing here: the cluster goes with the process.
        quick = [f"-c{name}=off" for name in ("fsync", "synchronous_commit", "full_page_writes")]
        command = [
            str(binaries / "postgres"),
            "-D",
            str(cluster),
            "-p",
            str(port),
            "-k",
            str(directory),
            *quick,
        ]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                [*_unprivileged(), *command] if _unprivileged() else dying_with_parent(*command),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory, start_new_session=True,
            )  # fmt: skip
        server = cls(f"postgresql://postgres@127.0.0.1:{port}/postgres", process, directory)
        server._await(binaries, port)
        return server

    def _await(self, binaries: Path, port: int) -> None:
        deadline = time.monotonic() + _START_DEADLINE_S
        probe = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        while subprocess.run(probe, check=False).returncode != 0:
            if time.monotonic() > deadline or (self._process and self._process.poll() is not None):
                log = (self._directory / "log").read_text(errors="replace")
                self.stop()
                raise RuntimeError(f"PostgreSQL did not start: {log[-500:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server and remove its files."""
        if self._process and self._process.poll() is None:
            self._process.terminate()  # a smart shutdown: the connections of the tests are closed by now
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


def _unprivileged() -> list[str]:
    """Return the command prefix that leaves root and still dies with this process; empty when it is not root."""
    if os.geteuid() != 0:
        return []
    group = str(pwd.getpwnam(_RUN_AS).pw_gid)
    return ["setpriv", f"--reuid={_RUN_AS}", f"--regid={group}", "--clear-groups", "--pdeathsig=INT"]


def _url_of_wheel(directory: Path) -> str:
    import pgserver  # only where PATH has no PostgreSQL: importing it unpacks nothing but looks for processes

    return str(pgserver.get_server(directory / "cluster", cleanup_mode="stop").get_uri())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
