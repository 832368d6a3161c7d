"""Everything `make run` brings up on one machine: database, administrator, Redis, demo feed, gateway; and its end."""

import http.client
import io
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from cache_streams.server.children import exit_reason, management_command
from cache_streams.server.embedded_redis import EmbeddedRedis
from cache_streams.server.listener import listening_socket

_HEALTH_DEADLINE_S = 60.0
_HEALTH_EVERY_S = 0.1
_LOOK_EVERY_S = 0.25
# More than the supervisor gives its workers, so that it is never killed while it still waits for them.
_STOP_PATIENCE_S = 35.0
_EXAMPLE = (
    "examples/example_cache_websocket.py --stream tickers --exchange kraken --symbol BTC/USDC --duration 10"
)

Say = Callable[[str], None]


class LaunchFailedError(Exception):
    """A part did not start, or ended by itself; the text is one sentence that names it and how it ended."""


def launch(say: Say) -> None:
    """Bring everything up, say how to use it, and return when SIGTERM or SIGINT came and all of it has ended.

    Raises: LaunchFailedError, RedisNotFoundError, RedisNotStartedError, AddressRefusedError.
    """
    listening_socket(settings.HOST, settings.PORT).close()  # refuses before anything else is started
    say("Database: bringing the tables up to date.")
    call_command("migrate", verbosity=0, interactive=False)
    login = io.StringIO()
    call_command("bootstrap", stdout=login)
    connections.close_all()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as parts:
        redis_url, own_redis = _redis(parts, say)
        running: dict[str, subprocess.Popen[bytes]] = {}
        if own_redis:
            say("Demo feed: starting.")
            running["the demo feed"] = parts.enter_context(
                _running(redis_url, "demo_feed", "--agent-of", settings.ADMIN_MAIL)
            )
        say(f"Gateway: starting {settings.WORKERS} worker(s) and the relay.")
        running["the gateway"] = parts.enter_context(_running(redis_url, "serve"))
        if _await_health(running, own_redis, stop):
            _say_how_to_use(say, login.getvalue())
        while not stop.wait(_LOOK_EVERY_S):
            _look_at(running, own_redis)
        say("Stopping.")
    say("Stopped.")


def _redis(parts: ExitStack, say: Say) -> tuple[str, EmbeddedRedis | None]:
    """Return the URL of Redis, and the private server when none was configured."""
    if not settings.REDIS_CONFIGURED:
        own = parts.enter_context(EmbeddedRedis.start())
        with redis.Redis.from_url(own.url) as client:
            client.set(f"{settings.GW_PREFIX}:private", 1)  # by this the demo feed knows where it may write
        say(f"Redis: a private one, process {own.pid}; it ends with this command and keeps nothing.")
        return own.url, own
    say("Redis: the configured one. The demo feed is off, because it writes only to a Redis of its own.")
    try:
        with settings.REDIS_CLIENT(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2) as client:
            client.ping()
    except redis.RedisError as exc:
        say(f"Redis: it does not answer yet ({type(exc).__name__}); the gateway goes on trying.")
    return settings.REDIS_URL, None


@contextmanager
def _running(redis_url: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a management command as a child, which is ended and awaited at exit."""
    process = subprocess.Popen(
        management_command(*command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # this process says what a user needs to know; logs and errors are on stderr
        # What a child inherits, not a setting that is read: its settings come from its own start of env.py.
        env={**os.environ, "REDIS_URL": redis_url},
        start_new_session=True,  # Ctrl-C reaches this process alone, which ends its children in order
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(_STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _look_at(running: dict[str, subprocess.Popen[bytes]], own_redis: EmbeddedRedis | None) -> None:
    """Raise LaunchFailedError when a part has ended by itself."""
    if own_redis and not own_redis.running:
        raise LaunchFailedError("The private Redis has ended: everything else is being stopped.")
    for name, process in running.items():
        code = process.poll()
        if code is not None:
            raise LaunchFailedError(f"{name.capitalize()} ended with {exit_reason(code)}: stopping the rest.")


def _await_health(
    running: dict[str, subprocess.Popen[bytes]], own_redis: EmbeddedRedis | None, stop: threading.Event
) -> bool:
    """Return True when /health answers, False when asked to stop before. Raises: LaunchFailedError after 60 s."""
    for _ in range(int(_HEALTH_DEADLINE_S / _HEALTH_EVERY_S)):
        _look_at(running, own_redis)
        if _health_answers():
            return True
        if stop.wait(_HEALTH_EVERY_S):
            return False
    raise LaunchFailedError(f"The gateway did not answer /health within {_HEALTH_DEADLINE_S:.0f} s.")


def _reachable_host() -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)


def _health_answers() -> bool:
    connection = http.client.HTTPConnection(_reachable_host(), settings.PORT, timeout=2)
    try:
        connection.request("GET", "/health")
        # Any answer of the application counts: 400 says that ALLOWED_HOSTS names other hosts only.
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _say_how_to_use(say: Say, login: str) -> None:
    host = _reachable_host()
    shown = "localhost" if host in {"127.0.0.1", "::1"} else host
    address = f"{f'[{shown}]' if ':' in shown else shown}:{settings.PORT}"
    in_tree = Path(sys.prefix) == Path(settings.BASE_DIR) / ".venv"
    python = ".venv/bin/python" if in_tree else shlex.quote(sys.executable)
    # The published example knows the default address; another one is handed to it.
    elsewhere = "" if address == "localhost:8000" else f"WS_BASE_URL=ws://{address}/api/v1/cache "
    say("")
    say(f"The gateway runs on http://{address}/ (documentation /docs, administration /admin/).")
    for line in login.strip().splitlines():
        say(line)
    say("Live ticks in another terminal, from this directory:")
    say(f"  {elsewhere}{python} {_EXAMPLE}")
    say("Ctrl-C ends everything.")
