"""The reader: one per process; follows the logs that somebody here subscribes to, and writes each entry to its hot legs."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cache_streams import hops
from cache_streams.batches import STEP_BYTES
from cache_streams.connections import ask, new_redis, shared_redis
from cache_streams.delivery import Delivery
from cache_streams.followed import Followed
from cache_streams.log import Log, Verdict
from cache_streams.log_entries import LogEntry, parse_entry
from cache_streams.log_names import LogName, logs_key
from cache_streams.metrics import (
    LOG_READS,
    NEW_EPOCHS,
    READER_FAILURES,
    READER_RECONNECTS,
)
from cache_streams.pages import PAGE, Pages
from cache_streams.places import entry_id
from cache_streams.resting import Rest
from cache_streams.signals import Entries, Signals
from cache_streams.streams.declaration import Stream

BLOCK_MS = 1000
READ_TIMEOUT_S = 3.0
"""A blocking read that gets no answer for so long hangs in a partition that TCP has not noticed."""
RETRY_S = 0.2

logger = structlog.get_logger(__name__)


class LogReader:
    """Reads all followed logs with one blocking XREAD, one entry at a time: written to every hot leg, then counted as read."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._followed: dict[str, Followed] = {}
        self.pages = Pages()
        self._opening: dict[str, asyncio.Lock] = {}
        self.signals = Signals(prefix)
        self.on_reconnect: Callable[[], None] = lambda: None
        """Called whenever Redis is back: news may have been lost with it."""
        self.answered_at = 0.0
        """When Redis last answered this reader, by the loop's clock."""
        self._task: asyncio.Task[None] | None = None
        self.delivery = Delivery()
        self._rest = Rest()
        self.connected = asyncio.Event()

    def followed(self, stream: Stream, partition: str) -> Followed | None:
        """Return the log of ``partition`` if this process reads it already."""
        return self._followed.get(LogName(stream.name, partition, self.prefix).log)

    def all_followed(self) -> list[Followed]:
        """Return every log that this process reads."""
        return list(self._followed.values())

    async def follow(self, stream: Stream, partition: str) -> Followed:
        """Return the log of ``partition``, read from now on. Raises ``redis.RedisError``."""
        name = LogName(stream.name, partition, self.prefix)
        lock = self._opening.setdefault(name.log, asyncio.Lock())
        async with lock:
            if name.log not in self._followed:
                log = Log(shared_redis(), name, stream)
                epoch, standing = await log.standing()
                self._followed[name.log] = Followed(log, epoch, standing)
                await self.signals.wake()
        self.start()
        return self._followed[name.log]

    def start(self) -> None:
        """Begin to read, if that has not begun."""
        if self._task is None:
            self.answered_at = asyncio.get_running_loop().time()
            self._task = asyncio.create_task(self._run(), name="log reader")

    def unfollow(self, followed: Followed) -> None:
        """Stop reading a log that no leg needs any more."""
        if not followed.legs:
            self._followed.pop(followed.log.name.log, None)
            self._opening.pop(followed.log.name.log, None)

    async def stop(self) -> None:
        """End the reading task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        while True:
            # Made before the comparison and never renewed: what is read through it comes from the Redis that was
            # compared, also where this process stood still while Redis was replaced.
            client = new_redis(read_timeout_s=READ_TIMEOUT_S, connections=1, single=True)
            try:
                await ask(client, "PING")
                await self.signals.find_control()
                await self._check_all()
                self.answered_at = asyncio.get_running_loop().time()
                self.connected.set()
                self.on_reconnect()
                while True:
                    await self._read(client)
            except (RedisError, OSError) as error:
                if self.connected.is_set():
                    logger.warning("log reader lost Redis", error=type(error).__name__)
                    READER_RECONNECTS.inc()
                self.connected.clear()
                for followed in list(self._followed.values()):
                    for leg in list(followed.legs):
                        leg.log_lost()
                await asyncio.sleep(RETRY_S)
            except Exception:  # a defect of ours must not leave every socket of this process without updates
                logger.exception("log reader failed")
                READER_FAILURES.inc()
                self.delivery.finish()
                self.connected.clear()
                await asyncio.sleep(RETRY_S)
            finally:
                await client.aclose()

    async def _read(self, client: Redis) -> None:
        logs = [followed for followed in self._followed.values() if followed.epoch is not None]
        names = [*self.signals.positions, *(followed.log.name.log for followed in logs)]
        ids = [*self.signals.positions.values(), *(entry_id(followed.position) for followed in logs)]
        reply = await ask(client, "XREAD", "COUNT", PAGE, "BLOCK", BLOCK_MS, "STREAMS", *names, *ids)
        began, arrived_at = self._loop.time(), time.time()
        self.answered_at = began
        unborn, taken, full = not reply, 0, False
        for raw_name, entries in reply or []:
            name = raw_name.decode()
            full = full or len(entries) == PAGE
            if self.signals.take(name, entries):
                unborn = True
                continue
            followed = self._followed.get(name)
            if followed is not None:
                await self._take_all(followed, entries, arrived_at)
                taken += len(entries)
        if unborn:
            await self._look_for_births()
        if taken > 1:
            await asyncio.sleep(0)  # what was handed over is sent
        rest = self._rest.after(taken, began=began, now=self._loop.time())
        if rest and not full:
            await asyncio.sleep(rest)

    async def _take_all(self, followed: Followed, entries: Entries, arrived_at: float) -> None:
        """Give entries to their legs, as many in one step as a transport can be asked to take."""
        step, entry = 0, None
        for raw_id, fields in entries:
            entry = parse_entry(raw_id, fields)
            step += self._take(followed, entry)
            if step >= STEP_BYTES:
                step = 0
                self.delivery.finish()
                await asyncio.sleep(0)
        self.delivery.finish()
        followed.read_on()
        _time_hops(followed, entry, arrived_at)
        LOG_READS.labels(followed.log.stream.name).inc(len(entries))

    async def _look_for_births(self) -> None:
        """Begin to read the logs that did not exist when they were asked for, from their first entry."""
        unborn = [followed for followed in self._followed.values() if followed.epoch is None]
        if not unborn:
            return
        members = [f"{followed.log.stream.name}\n{followed.log.name.partition}" for followed in unborn]
        born = await ask(shared_redis(), "SMISMEMBER", logs_key(self.prefix), *members)
        for followed, exists in zip(unborn, born, strict=True):
            if exists:
                await self._check(followed)

    def _take(self, followed: Followed, entry: LogEntry) -> int:
        """Give one entry to all hot legs of its log, without waiting for anything; return the bytes rendered."""
        if entry.position <= followed.position:
            return 0
        if entry.update is None:
            self.delivery.finish()
            followed.position = entry.position
            if entry.epoch is not None:
                self._adopt(followed, entry.epoch)
            return 0
        if entry.update.begins:
            self.delivery.finish()  # between steps, so that no leg that starts over is given it besides
            followed.begin(entry.update.key)
        self.delivery.under_way = True
        written = 0
        key = entry.update.key
        for length in range(len(key) + 1):
            view = followed.views.get(key[:length])
            if view is not None and view.live and entry.position > view.seen:
                view.states.apply(entry.update)
            group = followed.groups.get(key[:length])
            if group is not None:
                written += self.delivery.entry(group, entry, followed.epoch, followed.log.stream.name)
        followed.position = entry.position
        return written

    def _adopt(self, followed: Followed, epoch: str | None) -> None:
        changed, followed.epoch = followed.epoch != epoch, epoch
        if changed:
            followed.start_over()

    async def _check_all(self) -> None:
        for followed in list(self._followed.values()):
            await self._check(followed)

    async def _check(self, followed: Followed) -> None:
        """Find out whether the log still is what this process has read of it."""
        known = followed.epoch
        found = await followed.log.compare(known, followed.position, secrets.token_urlsafe(6))
        if found.verdict is Verdict.NEW:
            NEW_EPOCHS.labels(followed.log.stream.name).inc()
        if found.verdict is Verdict.SAME or found.epoch == followed.epoch != known:
            return  # or a view that was loaded meanwhile found the same log just born
        if followed.epoch is None:
            followed.epoch = found.epoch  # just born: read on from its start
            return
        followed.position = found.standing
        if found.verdict is Verdict.TRIMMED:
            followed.start_over(trimmed=True)
        else:
            self._adopt(followed, found.epoch)
        followed.read_on()


def _time_hops(followed: Followed, newest: LogEntry | None, arrived_at: float) -> None:
    """Time the newest entry of what one read brought of a log: once in a while, never for each entry or frame."""
    now = time.monotonic()
    if newest is None or newest.update is None or now - followed.sampled_at < hops.SAMPLE_EVERY_S:
        return
    followed.sampled_at = now
    stream = followed.log.stream.name
    hops.observe(hops.Hop.RELAY_TO_READER, stream, arrived_at - newest.update.accepted_time)
    hops.observe(hops.Hop.READER_TO_SOCKET, stream, time.time() - arrived_at)
