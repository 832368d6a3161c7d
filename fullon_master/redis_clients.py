"""Clients of the deployment's Redis: of one server, or of whichever server the Sentinels call the master.

redis-py knows no URL for Sentinel, and its own pool for it cannot be exchanged. Here a connection asks, whenever it is made,
where the master is; pools, retries and time limits stay those of whoever opens the client.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.connection import Connection as AsyncConnection
from redis.asyncio.connection import ConnectionPool as AsyncConnectionPool
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.connection import Connection, ConnectionPool
from redis.sentinel import Sentinel

SCHEME = "redis+sentinel"
SENTINEL_PORT = 26_379
ASK_TIMEOUT_S = 0.5
"""A Sentinel that does not answer by then is passed over: the others know as well."""


@dataclass(frozen=True, slots=True)
class Master:
    """The master of ``service`` as the Sentinels at ``hosts`` know it; the credentials are those of Redis itself."""

    hosts: tuple[tuple[str, int], ...]
    service: str
    db: int
    username: str | None
    password: str | None

    def options(self) -> dict[str, Any]:  # Any: redis-py's keyword arguments
        """Return what a connection to the master needs besides its address."""
        return {"db": self.db, "username": self.username, "password": self.password}

    def address(self) -> tuple[str, int]:
        """Return where the master is now. Raises: ``redis.RedisError``."""
        found: tuple[str, int] = _sentinel(self.hosts).discover_master(self.service)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        return found

    async def address_async(self) -> tuple[str, int]:
        """As ``address``."""
        sentinel = AsyncSentinel(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            self.hosts, socket_timeout=ASK_TIMEOUT_S, socket_connect_timeout=ASK_TIMEOUT_S
        )
        try:
            found: tuple[str, int] = await sentinel.discover_master(self.service)
        finally:
            await asyncio.gather(*(each.aclose() for each in sentinel.sentinels))
        return found


@lru_cache(maxsize=2)
def _sentinel(hosts: tuple[tuple[str, int], ...]) -> Sentinel:
    return Sentinel(hosts, socket_timeout=ASK_TIMEOUT_S, socket_connect_timeout=ASK_TIMEOUT_S)  # type: ignore[no-untyped-call]  # as above


class MasterConnection(Connection):
    """Connects to whichever server is the master in that moment."""

    master: ClassVar[Master]

    def connect(self) -> None:
        """Raises: ``redis.RedisError``."""
        if self._sock is None:
            self.host, self.port = self.master.address()
        super().connect()  # type: ignore[no-untyped-call]  # as above


class AsyncMasterConnection(AsyncConnection):
    """As ``MasterConnection``."""

    master: ClassVar[Master]

    async def connect(self) -> None:
        """Raises: ``redis.RedisError``."""
        if not self.is_connected:
            self.host, self.port = await self.master.address_async()
        await super().connect()  # type: ignore[no-untyped-call]  # as above


def parse_master(url: str) -> Master | None:
    """Read ``redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/db]``; None for any other scheme.

    Raises: ValueError with the rule that is broken.
    """
    parts = urlsplit(url)
    if parts.scheme != SCHEME:
        return None
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    service, _, db = parts.path.lstrip("/").partition("/")
    if not service:
        raise ValueError("the service's name must follow the Sentinels: …/mymaster")
    if not (db or "0").isdecimal():
        raise ValueError("the database must be an integer")
    return Master(
        tuple(_host(each) for each in hosts.split(",")),
        unquote(service),
        int(db or 0),
        unquote(username) or None,
        unquote(password) or None,
    )


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    try:
        port = parts.port or SENTINEL_PORT
    except ValueError:
        raise ValueError("a Sentinel's port must be an integer from 1 to 65535") from None
    if not parts.hostname:
        raise ValueError("every Sentinel needs a host")
    return parts.hostname, port


def database_of(url: str) -> int:
    """Return the number of the database that a URL names."""
    master = parse_master(url)
    if master is not None:
        return master.db
    number = urlsplit(url).path.lstrip("/") if "?db=" not in url else url.rpartition("?db=")[2]
    return int(number) if number.isdecimal() else 0


def client(url: str, **options: Any) -> Redis:  # Any: redis-py's keyword arguments
    """Return a client with a pool of its own; ``options`` are those of ``Redis.from_url``."""
    master = parse_master(url)
    if master is None:
        return Redis.from_url(url, **options)
    connection_class = type("MasterConnection", (MasterConnection,), {"master": master})
    return Redis.from_pool(
        ConnectionPool(connection_class=connection_class, **{**master.options(), **options})
    )


def async_client(
    url: str, *, single_connection_client: bool = False, **options: Any
) -> AsyncRedis:  # Any: as above
    """As ``client``, for asyncio."""
    master = parse_master(url)
    if master is None:
        return AsyncRedis.from_url(url, single_connection_client=single_connection_client, **options)
    connection_class = type("AsyncMasterConnection", (AsyncMasterConnection,), {"master": master})
    pool = AsyncConnectionPool(connection_class=connection_class, **{**master.options(), **options})
    made = AsyncRedis(connection_pool=pool, single_connection_client=single_connection_client)
    made.auto_close_connection_pool = True
    return made
