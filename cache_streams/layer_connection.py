"""The channel layer's connection: what this process subscribed to in Redis, kept through outages.

redis-py's own pub/sub never notices a partition that TCP has not noticed, and loses a subscription that is cancelled while
it is sent. This connection pings Redis, starts anew when nothing comes back, and subscribes again to all that is wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from cache_streams.connections import COMMAND_TIMEOUT_S, ask, new_redis, shared_redis
from cache_streams.listening import replies
from cache_streams.metrics import LAYER_RECONNECTS

RETRY_S = 0.2

logger = structlog.get_logger(__name__)


class LayerConnection:
    """What channels_redis calls a shard: publishes, and hands each message of a subscribed name to ``on_message``.

    Delivery is at most once: what is published while this process is away from Redis does not reach it.
    """

    def __init__(self, on_message: Callable[[str, bytes], None]) -> None:
        self._on_message = on_message
        self._wanted: set[str] = set()
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        """Names whose SUBSCRIBE Redis has not answered yet; kept over reconnects until somebody gives up."""
        self._connection: AbstractConnection | None = None
        self._task: asyncio.Task[None] | None = None

    async def publish(self, name: str, message: bytes) -> None:
        """Publish to every process. Raises ``redis.RedisError``."""
        await ask(shared_redis(), "PUBLISH", name, message)

    async def subscribe(self, name: str) -> None:
        """Return once Redis has confirmed that messages of ``name`` come here; at once if they do already.

        Raises: TimeoutError after 2 s without an answer; then the name is not wanted any more.
        """
        if name in self._wanted and name not in self._confirmed:
            return
        confirmed = self._confirmed.get(name)
        if confirmed is None:
            confirmed = self._confirmed[name] = asyncio.get_running_loop().create_future()
            self._wanted.add(name)
            self._start()
            await self._tell("SUBSCRIBE", [name])
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await asyncio.shield(confirmed)
        except TimeoutError:
            if self._confirmed.pop(name, None) is not None:
                await self.unsubscribe(name)
            raise

    async def unsubscribe(self, name: str) -> None:
        """Want no more messages of ``name``. Without Redis there is nothing to tell it: a new connection knows no names."""
        self._wanted.discard(name)
        self._confirmed.pop(name, None)
        await self._tell("UNSUBSCRIBE", [name])

    async def flush(self) -> None:
        """Forget every name and close the connection."""
        self._wanted, self._confirmed = set(), {}
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="channel layer")

    async def _tell(self, command: str, names: Iterable[str]) -> None:
        """Send to Redis if it is there; else the next connection begins with all that is wanted by then."""
        connection = self._connection
        if connection is None:
            return
        try:
            await connection.send_command(command, *names)
        except (RedisError, OSError):
            # Its reader meets the same loss, and begins anew.
            await connection.disconnect(nowait=True)

    async def _run(self) -> None:
        while True:
            client = new_redis(read_timeout_s=None, connections=1)
            try:
                await self._listen(client)
            except (RedisError, OSError) as error:
                logger.warning("channel layer lost Redis", error=type(error).__name__)
            except Exception:  # a message that no layer sent must not leave this process deaf
                logger.exception("channel layer failed")
            finally:
                connection, self._connection = self._connection, None
                if connection is not None:
                    await connection.disconnect(nowait=True)
                await client.aclose()
            LAYER_RECONNECTS.inc()
            await asyncio.sleep(RETRY_S)

    async def _listen(self, client: Any) -> None:  # Any: redis-py's client, which types its pool loosely
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            connection: AbstractConnection = await client.connection_pool.get_connection()
            self._connection = connection
            if self._wanted:
                await connection.send_command("SUBSCRIBE", *self._wanted)
        async for reply in replies(connection):
            self._take(reply)

    def _take(
        self, reply: Any
    ) -> None:  # Any: [kind, name, payload] of pub/sub, or what PING is answered with
        if not isinstance(reply, list):
            return
        if reply[0] == b"message":
            self._on_message(reply[1].decode(), reply[2])
        elif reply[0] == b"subscribe":
            confirmed = self._confirmed.pop(reply[1].decode(), None)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
