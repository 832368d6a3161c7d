"""Redis clients of this process: one pool per event loop, every wait bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, BlockingConnectionPool
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

COMMAND_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 1.0
POOL_CONNECTIONS = 32

_PACKER = HiredisRespSerializer()
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()


def shared_redis() -> Redis:
    """Return the client of the running event loop; replies are bytes. Raises ``redis.RedisError`` after 2 s of silence."""
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = new_redis()
        # Whoever finds all connections busy waits a moment: a crowd is no outage.
        client.connection_pool = BlockingConnectionPool(
            connection_class=client.connection_pool.connection_class,
            max_connections=POOL_CONNECTIONS,
            timeout=COMMAND_TIMEOUT_S,
            **client.connection_pool.connection_kwargs,
        )
    return client


async def close_shared_redis() -> None:
    """Close the running event loop's client; the next use makes a new one."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


async def ask(redis: Redis, *command: str | bytes | int) -> Any:  # Any: the reply of any command
    """Send one command. redis-py types its command methods as sync or async; this is always async."""
    return await redis.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped


def new_redis(
    *,
    read_timeout_s: float | None = COMMAND_TIMEOUT_S,
    connections: int = POOL_CONNECTIONS,
    protocol: int = 2,
    single: bool = False,
) -> Redis:
    """Return a client with a pool of its own; ``read_timeout_s`` None is for blocking reads that bound themselves.

    ``single``: one connection, whose loss is always told by an error. A pool replaces one that was lost between two
    commands in silence, and the next command may ask another Redis.
    No retries inside the client: whoever asks decides whether the question still makes sense.
    """
    client = settings.REDIS_ASYNC_CLIENT(
        settings.REDIS_URL,
        single_connection_client=single,
        socket_timeout=read_timeout_s,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        max_connections=connections,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        protocol=protocol,
    )
    pool = client.connection_pool
    pool.connection_class = type("Connection", (_Cancellable, pool.connection_class), {})
    return client


class _Cancellable(AbstractConnection):
    """A connection whose commands can be cancelled at every moment, and whose loss is always an error of Redis.

    Told of a ``socket_timeout``, redis-py sends through ``asyncio.wait_for``. That makes a task for each command, a tenth of
    what one costs; and Python 3.11's returns normally when the cancellation comes in the very step in which the bytes went
    out: the cancellation is lost, and whoever waits for the task waits for ever. So the patience is kept here.

    uvloop raises RuntimeError, which redis-py passes on, where a transport was closed in the step before it is written
    to: whoever rightly expects ``redis.RedisError`` would end for good.

    And commands are packed in C, which redis-py does in its synchronous connections only: a seventh of the relay's time.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # Any: redis-py's options
        super().__init__(*args, **options)
        self._patience_s: float | None = self.socket_timeout
        self.socket_timeout = None

    def pack_command(self, *args: Any) -> list[bytes]:  # Any: whatever redis-py encodes
        """Pack as redis-py does. Raises ``redis.DataError`` for what cannot be encoded."""
        packed: list[bytes] = _PACKER.pack(*args)
        return packed

    async def connect(self) -> None:
        """Connect as redis-py does. Raises ``redis.RedisError``."""
        try:
            await super().connect()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        except RuntimeError as error:
            _raise_if_lost(error)
            raise

    async def read_response(self, *args: Any, **options: Any) -> Any:  # Any: redis-py's signature, any reply
        """Read as redis-py does. Raises ``redis.RedisError``."""
        try:
            async with asyncio.timeout(self._patience_s):
                return await super().read_response(*args, **options)
        except TimeoutError:
            raise RedisTimeoutError("Redis did not answer in time") from None
        except RuntimeError as error:
            _raise_if_lost(error)
            raise

    async def send_packed_command(
        self,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT001, FBT002 - redis-py's signature
    ) -> None:
        """Send as redis-py does. Raises ``redis.RedisError``."""
        try:
            async with asyncio.timeout(self._patience_s):
                await super().send_packed_command(command, check_health)
        except TimeoutError:
            raise RedisTimeoutError("Redis did not answer in time") from None
        except RuntimeError as error:
            _raise_if_lost(error)
            raise


def _raise_if_lost(error: RuntimeError) -> None:
    """Raise what redis-py would have for a connection that is no more: ``redis.ConnectionError``."""
    if "closed" in str(error):
        raise RedisConnectionError("the connection was closed while it was used") from error
