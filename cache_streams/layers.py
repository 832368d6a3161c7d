"""The channel layer: channels_redis' pub/sub layer for ordinary groups, and groups that stand on logs.

Its outer class proxies to one inner layer per event loop; that is the seam where ours comes in. Against the stock layer:
names are checked, a process has one Redis subscription for all its channels rather than one each, kept through outages and
silent partitions, and a channel's queue is bounded. A group whose name is one of a declared stream's keys is fed by the log, through this process' one reader.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from channels.layers import BaseChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer
from django.conf import settings

from cache_streams.channel_members import BoundedQueue, ChannelOutlet, Messages
from cache_streams.connections import ask, close_shared_redis, shared_redis
from cache_streams.layer_connection import LayerConnection
from cache_streams.log_names import inbox_key, partition_of
from cache_streams.outlet import Outlet
from cache_streams.protocol.groups import parse_group
from cache_streams.protocol.rendition import Rendition
from cache_streams.reader import LogReader
from cache_streams.streams import by_name
from cache_streams.streams.declaration import Key, Mode, Stream
from cache_streams.streams.sent import NotSendable, encode_sent
from cache_streams.subscription import Subscription

INBOX_ENTRIES = 100_000
CAPACITY = 100
"""Messages that wait on one channel; further ones are dropped and counted, as the layer is at-most-once."""

Message = dict[str, Any]  # Any: a Channels message carries what its sender and receiver agree on


class LogBackedChannelLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # channels_redis has no types
    """What ``CHANNEL_LAYERS`` names."""

    def _get_layer(self) -> LoopLayer:
        loop = asyncio.get_running_loop()
        layer: LoopLayer | None = self._layers.get(loop)
        if layer is None:
            super()._get_layer()  # arranges that the loop's end closes the layer
            layer = self._layers[loop] = LoopLayer(*self._args, **self._kwargs, channel_layer=self)
        return layer


class LoopLayer(RedisPubSubLoopLayer):  # type: ignore[misc]  # channels_redis has no types
    """The layer of one event loop."""

    def __init__(
        self, *, prefix: str = "asgi", capacity: int = CAPACITY, channel_layer: LogBackedChannelLayer
    ) -> None:
        super().__init__(prefix=prefix, channel_layer=channel_layer)
        self._shards = [LayerConnection(self._deliver)]  # the Redis of the logs, whatever stands for "hosts"
        self.capacity = capacity
        self.reader = LogReader(settings.GW_PREFIX)
        self._names = _Names()
        self._process_channel = f"{prefix.replace(':', '.')}.process.{uuid.uuid4().hex}"
        self._mailbox = _Mailbox(self)
        self._members: dict[tuple[str, str], Subscription] = {}
        self._joined: dict[str, set[str]] = {}
        """By channel: the groups that it leaves when it ends."""
        self._leaving: set[asyncio.Task[None]] = set()

    # -- channels ---------------------------------------------------------------------------------------------------

    async def new_channel(self, prefix: str = "specific.") -> str:
        """Return a channel of this process; its messages come through the process' one subscription."""
        await self._get_shard(self._process_channel).subscribe(self._process_channel)
        self.channels.setdefault(self._process_channel, self._mailbox)
        channel = f"{self._process_channel}!{prefix}{uuid.uuid4().hex}"
        self.channels[channel] = BoundedQueue(self.capacity)
        return channel

    async def send(self, channel: str, message: Message) -> None:
        """Send to a channel of any process. Raises: TypeError for an illegal name."""
        self._names.require_valid_channel_name(channel)
        process, local, _ = channel.partition("!")
        if local:
            message = {"channel": channel, "message": message}
        await super().send(process if local else channel, message)

    async def receive(self, channel: str) -> Message:
        """Wait for the next message of a channel; when the wait is cancelled the channel ends."""
        self._names.require_valid_channel_name(channel)
        if "!" not in channel:
            message: Message = await super().receive(channel)
            return message
        try:
            raw: Message | bytes = await self.channels[channel].get()
        except (asyncio.CancelledError, GeneratorExit):
            self._end(channel)
            raise
        return raw if isinstance(raw, dict) else self.channel_layer.deserialize(raw)

    async def _subscribe_to_channel(self, channel: str) -> None:
        await super()._subscribe_to_channel(channel)
        self.channels[channel] = BoundedQueue(self.capacity)

    def _end(self, channel: str) -> None:
        """Forget a channel that nobody reads any more, and its memberships: its consumer may have failed before it left."""
        self.channels.pop(channel, None)
        for group in self._joined.pop(channel, ()):
            leaving = asyncio.get_running_loop().create_task(self.group_discard(group, channel))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    def _deliver(self, name: str, raw: bytes) -> None:
        """Give a message from Redis to the channel of that name, or to the members that this process has of a group."""
        for channel in self.groups.get(name, (name,)):
            queue = self.channels.get(channel)
            if queue is not None:
                queue.put_nowait(raw)

    # -- groups -----------------------------------------------------------------------------------------------------

    async def group_add(self, group: str, channel: str) -> None:
        """Add a channel to a group. Of a log-backed group it gets each update as a ``stream.update`` message."""
        self._names.require_valid_group_name(group)
        stream = log_stream(group)
        if stream is None:
            await super().group_add(group, channel)
            self._joined.setdefault(channel, set()).add(group)
        elif channel not in self.channels:
            raise RuntimeError(f"group_add({group!r}): the channel is not one of this process")
        elif (group, channel) not in self._members:
            outlet = ChannelOutlet(self.channels[channel])
            member = self.subscription(outlet, stream, [leg_of(group)], Messages(stream))
            self._members[group, channel] = member
            self._joined.setdefault(channel, set()).add(group)
            member.start()

    async def group_discard(self, group: str, channel: str) -> None:
        """Remove a channel from a group, if it is in it."""
        self._names.require_valid_group_name(group)
        self._joined.get(channel, set()).discard(group)
        member = self._members.pop((group, channel), None)
        if member is not None:
            await member.stop()
        elif log_stream(group) is None:
            await super().group_discard(group, channel)

    async def group_send(self, group: str, message: Message) -> None:
        """Send to every channel of a group, in every process.

        To a log-backed group goes ``{"type": "stream.update", "value": …}``, through the relay, which numbers it.
        Raises: NotSendable.
        """
        self._names.require_valid_group_name(group)
        parsed, stream = parse_group(group), log_stream(group)
        if stream is None or parsed is None:
            await super().group_send(group, message)
        elif parsed.key is None:
            raise NotSendable(f"group {group!r} stands for every key of a log; send to one key")
        else:
            sent = encode_sent(stream, parsed.key, message)
            await ask(
                shared_redis(),
                "XADD",
                inbox_key(settings.GW_PREFIX),
                "MAXLEN",
                "~",
                INBOX_ENTRIES,
                "*",
                "m",
                sent,
            )

    def subscription(
        self,
        outlet: Outlet,
        stream: Stream,
        legs: Sequence[tuple[str, Key]],
        rendition: Rendition,
        *,
        prefix: bytes = b"",
        trouble: bytes | None = None,
        mode: Mode | None = None,
        interval_s: float = 0.0,
        lost: Callable[[], None] | None = None,
    ) -> Subscription:
        """Return a socket's membership of log-backed groups, not started; ``legs`` as ``leg_of`` makes them.

        The other arguments are those of ``Subscription``.
        """
        return Subscription(
            self.reader,
            outlet,
            stream,
            legs,
            rendition,
            prefix=prefix,
            trouble=trouble,
            mode=mode,
            interval_s=interval_s,
            lost=lost,
        )

    async def flush(self) -> None:
        """Forget every channel and group of this process, and close its connections."""
        for member in list(self._members.values()):
            await member.stop()
        await asyncio.gather(*self._leaving)
        self._members, self._joined = {}, {}
        await self.reader.stop()
        await close_shared_redis()
        await super().flush()


class _Names(BaseChannelLayer):
    """Channels' own rules for names."""


class _Mailbox:
    """Where all messages to this process' channels arrive; passes each on to the channel it names."""

    def __init__(self, layer: LoopLayer) -> None:
        self._layer = layer

    def put_nowait(self, raw: bytes) -> None:
        envelope = self._layer.channel_layer.deserialize(raw)
        queue = self._layer.channels.get(envelope["channel"])
        if queue is not None:
            queue.put_nowait(envelope["message"])


def log_stream(group: str) -> Stream | None:
    """Return the declared stream that a group name belongs to, None for an ordinary group."""
    parsed = parse_group(group)
    return by_name.get(parsed.stream) if parsed else None


def leg_of(group: str) -> tuple[str, Key]:
    """Return the partition, and what its keys begin with, that a log-backed group stands for."""
    parsed = parse_group(group)
    if parsed is None or parsed.stream not in by_name:
        raise ValueError(f"group {group!r} is not one of a declared stream")
    if parsed.key is None:
        return parsed.partition or "", ()
    return partition_of(by_name[parsed.stream], parsed.key, settings.LOG_SHARDS), parsed.key
