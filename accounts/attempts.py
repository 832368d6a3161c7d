"""How often somebody may guess passwords: failed logins of an account and of an address, counted for all workers in Redis."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from redis.exceptions import RedisError
from rest_framework.request import Request

from accounts import metrics

WINDOW_S = 60
TIMEOUT_S = 0.5
SILENT_AFTER_FAILURE_S = 1.0
LOCAL_KEYS_MAX = 10_000
_IPV6_PREFIX = 64
"""What one subscriber gets: counting single addresses would give each of them 2**64 tries."""

_TAKE = """
for at, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[at]) then return redis.call('PTTL', key) end
end
for _, key in ipairs(KEYS) do
  if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, ARGV[#ARGV]) end
end
return 0
"""
_GIVE_BACK = """
for _, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or '0') > 1 then redis.call('DECR', key) else redis.call('DEL', key) end
end
"""
logger = structlog.get_logger(__name__)


class TooManyAttempts(PermissionDenied):
    """No password is looked at for ``wait_s`` more seconds. As PermissionDenied it is a plain failure on the admin site."""

    def __init__(self, wait_s: int) -> None:
        super().__init__("Too many failed logins.")
        self.wait_s = wait_s


def address_of(request: HttpRequest | Request) -> str | None:
    """Return the client's address, as the server knows it behind its proxies; None where there is none (a Unix socket)."""
    return request.META.get("REMOTE_ADDR") or None


class Attempt:
    """One try in hand; ``succeeded`` is set by whoever holds it."""

    def __init__(self) -> None:
        self.succeeded = False


@contextmanager
def attempt(account: str, address: str | None) -> Iterator[Attempt]:
    """Count one failed login of ``account``, and of ``address`` where it is known, unless the block says that it succeeded
    or fails by itself.

    Counted before the password is looked at, so that guesses that come at once cannot pass together. Nothing resets what
    failed before: a guesser with an account of their own would log in between. Raises: TooManyAttempts.
    """
    keys = {_key("account", account.strip().lower()): settings.LOGIN_ATTEMPTS_PER_MINUTE}
    if address:
        keys[_key("address", neighbourhood(address))] = settings.ADDRESS_LOGIN_ATTEMPTS_PER_MINUTE
    counts = _shared(settings.REDIS_URL)
    wait_ms = counts.take(keys)
    if wait_ms > 0:
        raise TooManyAttempts(max(1, math.ceil(wait_ms / 1000)))
    tried = Attempt()
    try:
        yield tried
    except Exception:  # whatever it is, nothing was learned of the password; it is raised again
        counts.give_back(list(keys))
        raise
    if tried.succeeded:
        counts.give_back(list(keys))


class _Shared:
    """Counts of all workers that share the Redis; while it is away, those of this process."""

    def __init__(self, url: str) -> None:
        client = settings.REDIS_CLIENT(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._take, self._give_back = client.register_script(_TAKE), client.register_script(_GIVE_BACK)
        self._local = _Local()
        self._failed_at = -math.inf

    def take(self, keys: dict[str, int]) -> int:
        """Count one attempt and return 0, or return for how many milliseconds there is none left."""
        if time.monotonic() - self._failed_at >= SILENT_AFTER_FAILURE_S:
            try:
                return max(0, int(self._take(keys=list(keys), args=[*keys.values(), WINDOW_S * 1000])))
            except (RedisError, OSError) as error:
                self._away(error)
        metrics.LOGINS_COUNTED_ALONE.inc()
        return self._local.take(keys)

    def give_back(self, keys: list[str]) -> None:
        """Take back one attempt."""
        self._local.give_back(keys)
        try:
            self._give_back(keys=keys)
        except (RedisError, OSError) as error:
            self._away(error)

    def _away(self, error: Exception) -> None:
        self._failed_at = time.monotonic()
        logger.warning("failed logins are counted per process", error=type(error).__name__)


class _Local:
    """Counts of this process, at most ``LOCAL_KEYS_MAX``: beyond that nobody new may try before the oldest end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, tuple[int, float]] = {}

    def take(self, keys: dict[str, int]) -> int:
        now = time.monotonic()
        with self._lock:
            self._made = {key: made for key, made in self._made.items() if made[1] > now}
            for key, limit in keys.items():
                made, ends_at = self._made.get(key, (0, now + WINDOW_S))
                if made >= limit or len(self._made) >= LOCAL_KEYS_MAX:
                    return math.ceil((ends_at - now) * 1000)
            for key in keys:
                made, ends_at = self._made.get(key, (0, now + WINDOW_S))
                self._made[key] = (made + 1, ends_at)
        return 0

    def give_back(self, keys: list[str]) -> None:
        with self._lock:
            for key in keys:
                if key in self._made:
                    made, ends_at = self._made[key]
                    self._made[key] = (max(0, made - 1), ends_at)


@lru_cache(maxsize=2)
def _shared(url: str) -> _Shared:
    return _Shared(url)


def _key(kind: str, who: str) -> str:
    """Return a key of fixed length that shows neither address nor account; ``{}`` keeps both in one slot of a Cluster."""
    return (
        f"{settings.GW_PREFIX}:{{logins}}:{kind}:{hashlib.sha256(who.encode(errors='replace')).hexdigest()}"
    )


def neighbourhood(address: str) -> str:
    """Return what is counted together: an IPv4 address, or the network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))
    return str(parsed)
