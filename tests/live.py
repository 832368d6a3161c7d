"""A real gateway for tests: ``manage.py serve`` in processes of its own, with its own Redis and its own database."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from cache_streams.server.children import dying_with_parent
from cache_streams.server.embedded_redis import EmbeddedRedis

BASE = Path(__file__).resolve().parent.parent
ADMIN_MAIL = "admin@fullon"
PLAIN_MAIL = "plain@fullon"
PASSWORD = "password"
DAPHNE = 0
"""Instead of a number of workers: ``runserver``, in whose process is the relay as well."""
_READY_DEADLINE_S = 30.0
_STOP_DEADLINE_S = 40.0
# In one process, because each start of Django costs a second.
_PREPARE = f"""
from django.contrib.auth import get_user_model
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("bootstrap")
get_user_model().objects.create_user({PLAIN_MAIL!r}, {PASSWORD!r})
"""


@dataclass
class LiveServer:
    """A running gateway; ``redis_url`` is its own Redis, ``jwt_secret`` signs its tokens, ``pid`` is the supervisor.

    Users: 1 is ``admin@fullon`` (staff), 2 is ``plain@fullon``; both have the password ``password``.
    """

    url: str
    redis_url: str
    redis_pid: int
    jwt_secret: str
    database_url: str
    process: subprocess.Popen[bytes]
    log: Path
    environment: dict[str, str] = field(repr=False)
    workers: int = 1

    @property
    def ws_url(self) -> str:
        return self.url.replace("http://", "ws://")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> None:
        """End the gateway; its Redis and its database stay."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(_STOP_DEADLINE_S)

    def start_again(self) -> None:
        """Start the gateway at the address that it had before it was stopped."""
        self.process = _serve(self.environment, self.log, port=self.port, workers=self.workers)
        _await_ready(self.process, self.log, self.workers)

    def manage(self, *arguments: str) -> str:
        """Return what a management command, run beside this server, printed."""
        return _manage(self.environment, *arguments)


@contextmanager
def live_server(
    directory: Path, *, workers: int = 1, redis_url: str | None = None, **settings: str
) -> Iterator[LiveServer]:
    """Run a gateway below ``directory``; ``settings`` are added to its environment. ``workers`` may be ``DAPHNE``.

    Without ``redis_url`` it has a Redis of its own; with it ``redis_pid`` is 0.
    """
    with nullcontext() if redis_url else EmbeddedRedis.start(tcp=True) as redis:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "fullon_master.settings",
            "REDIS_URL": redis.url if redis else str(redis_url),
            "DATABASE_URL": f"sqlite:///{directory / 'live.sqlite3'}",
            "ADMIN_MAIL": ADMIN_MAIL,
            "ADMIN_PASSWORD": PASSWORD,
            **settings,
        }
        _manage(environment, "shell", "--verbosity=0", "-c", _PREPARE)
        log = directory / "serve.log"
        server = LiveServer(
            url="",
            redis_url=environment["REDIS_URL"],
            redis_pid=redis.pid if redis else 0,
            jwt_secret=environment["JWT_SECRET_KEY"],
            database_url=environment["DATABASE_URL"],
            process=_serve(environment, log, port=0, workers=workers),
            log=log,
            environment=environment,
            workers=workers,
        )
        try:
            server.url = _await_ready(server.process, log, workers)
            yield server
        finally:
            server.stop()


def _serve(environment: dict[str, str], log: Path, *, port: int, workers: int) -> subprocess.Popen[bytes]:
    deployed = ["serve", f"--port={port}", f"--workers={workers}"]
    served = ["runserver", "--noreload", f"127.0.0.1:{port}"] if workers == DAPHNE else deployed
    command = [sys.executable, str(BASE / "manage.py"), *served]
    with log.open("wb") as output:
        return subprocess.Popen(
            dying_with_parent(*command),
            stdout=output, stderr=output, env=environment, cwd=BASE, start_new_session=True,
        )  # fmt: skip


def _manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BASE / "manage.py"), *arguments],
        env=environment, cwd=BASE, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, f"manage.py {arguments[0]}: {done.stdout}{done.stderr}"
    return done.stdout


def _await_ready(process: subprocess.Popen[bytes], log: Path, workers: int) -> str:
    """Return the gateway's URL once it accepts."""
    deadline = time.monotonic() + _READY_DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        url = _listening_at(process.pid) if workers == DAPHNE else _told_in(log)
        if url is not None:
            return url
        time.sleep(0.02)
    raise AssertionError(f"the gateway did not become ready: {log.read_text()[-2000:]}")


def _told_in(log: Path) -> str | None:
    """Return the URL that ``serve`` prints once its workers accept; it listens before."""
    ready = re.search(r"Ready on (http://\S+)", log.read_text())
    return None if ready is None else ready[1]


def _listening_at(pid: int) -> str | None:
    """Return the URL at which Daphne listens; it never prints its port."""
    connections = psutil.Process(pid).net_connections(kind="tcp")
    port = next((each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN), None)
    return None if port is None else f"http://127.0.0.1:{port}"
