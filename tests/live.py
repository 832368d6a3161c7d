"""A real gateway for tests: ``manage.py serve`` in processes of its own, with its own Redis and its own database."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cache_streams.server.children import dying_with_parent
from cache_streams.server.embedded_redis import EmbeddedRedis

BASE = Path(__file__).resolve().parent.parent
ADMIN_MAIL = "admin@fullon"
PLAIN_MAIL = "plain@fullon"
PASSWORD = "password"
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

    @property
    def ws_url(self) -> str:
        return self.url.replace("http://", "ws://")

    @property
    def pid(self) -> int:
        return self.process.pid

    def manage(self, *arguments: str) -> str:
        """Return what a management command, run beside this server, printed."""
        return _manage(self.environment, *arguments)


@contextmanager
def live_server(directory: Path, *, workers: int = 1, **settings: str) -> Iterator[LiveServer]:
    """Run a gateway below ``directory``; ``settings`` are added to its environment."""
    with EmbeddedRedis.start(tcp=True) as redis:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "fullon_master.settings",
            "REDIS_URL": redis.url,
            "DATABASE_URL": f"sqlite:///{directory / 'live.sqlite3'}",
            "ADMIN_MAIL": ADMIN_MAIL,
            "ADMIN_PASSWORD": PASSWORD,
            **settings,
        }
        _manage(environment, "shell", "--verbosity=0", "-c", _PREPARE)
        log = directory / "serve.log"
        command = [sys.executable, str(BASE / "manage.py"), "serve", "--port=0", f"--workers={workers}"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                dying_with_parent(*command),
                stdout=output, stderr=output, env=environment, cwd=BASE, start_new_session=True,
            )  # fmt: skip
        try:
            yield LiveServer(
                url=_await_ready(process, log),
                redis_url=redis.url,
                redis_pid=redis.pid,
                jwt_secret=environment["JWT_SECRET_KEY"],
                database_url=environment["DATABASE_URL"],
                process=process,
                log=log,
                environment=environment,
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_DEADLINE_S)


def _manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BASE / "manage.py"), *arguments],
        env=environment, cwd=BASE, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, f"manage.py {arguments[0]}: {done.stdout}{done.stderr}"
    return done.stdout


def _await_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the URL that ``serve`` printed once its workers accept."""
    deadline = time.monotonic() + _READY_DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        ready = re.search(r"Ready on (http://\S+)", log.read_text())
        if ready:
            return ready[1]
        time.sleep(0.02)
    raise AssertionError(f"the gateway did not become ready: {log.read_text()[-2000:]}")
