"""The log: one Redis Stream per (stream, partition), appended under a fence, read by everybody.

Three keys share a hash tag, so that one script can touch them on a cluster: ``:log`` (the stream), ``:pos`` (epoch,
fence, last id, sequence numbers, source positions) and ``:last`` (the snapshot: the newest value of each key).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from redis.asyncio import Redis

from cache_streams import log_scripts
from cache_streams.connections import ask
from cache_streams.log_entries import LogEntry, encode_update, parse_entry, parse_key_snapshot
from cache_streams.log_names import LogName, control_key, key_text
from cache_streams.places import START, Position, entry_id, position
from cache_streams.streams.declaration import SNAPSHOT_TAIL, Key, Kind, Stream
from cache_streams.streams.update import KeySnapshot, Update

CONTROL_ENTRIES = 1000


class Fenced(Exception):
    """Another relay has claimed this log; ``token`` is its fence. Stop appending."""

    def __init__(self, token: int) -> None:
        super().__init__(f"log is fenced by token {token}")
        self.token = token


class Moved(Exception):
    """The log does not stand where this relay left it: Redis lost or restored data. Load it again before appending."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"log stands at {found!r}, expected {expected!r}")
        self.expected, self.found = expected, found


@dataclass(slots=True)
class Claimed:
    """A log as its relay found it: ``last_id`` "" when it holds nothing, ``fresh`` when this claim minted the epoch.

    ``born`` when there was no log before: otherwise its positions of sources hold, also under a new epoch.
    """

    epoch: str
    last_id: str
    fresh: bool
    born: bool = False
    seqs: dict[str, int] = field(default_factory=dict)
    positions: dict[str, str] = field(default_factory=dict)


class Verdict(Enum):
    """What a log is to somebody who read it before."""

    SAME = "SAME"
    OTHER = "OTHER"
    """Its contents are others, and it says so by its epoch."""
    NEW = "NEW"
    """Its contents are others; it did not say so until now."""
    TRIMMED = "TRIMMED"
    """What came next was dropped."""


class Compared(NamedTuple):
    """A log beside what was read of it; ``epoch`` None and ``standing`` START when it does not exist."""

    verdict: Verdict
    epoch: str | None
    standing: Position


@dataclass(frozen=True, slots=True)
class LogSnapshot:
    """State of some keys of one log at ``position``; ``epoch`` None when the log does not exist yet."""

    epoch: str | None
    position: Position
    keys: tuple[KeySnapshot, ...]


async def announce(redis: Redis, prefix: str, kind: str, subject: str) -> None:
    """Tell every process' reader that something about ``subject`` changed. Raises ``redis.RedisError``."""
    await ask(redis, "XADD", control_key(prefix), "MAXLEN", "~", CONTROL_ENTRIES, "*", kind, subject)


class Log:
    """Reads and writes one log. Errors of Redis pass through as ``redis.RedisError``."""

    def __init__(self, redis: Redis, name: LogName, stream: Stream) -> None:
        self.redis, self.name, self.stream = redis, name, stream
        self._append = redis.register_script(log_scripts.APPEND)
        self._claim = redis.register_script(log_scripts.CLAIM)
        self._snapshot = redis.register_script(log_scripts.SNAPSHOT)
        self._compare = redis.register_script(log_scripts.COMPARE)

    # -- the relay's side -------------------------------------------------------------------------------------------

    async def claim(self, fence: int, epoch: str, *, known_id: str | None = None) -> Claimed:
        """Take the log for the relay holding ``fence``; ``epoch`` is minted into it if it has none.

        ``known_id`` is the last id that the caller saw: a log without that entry came back with older data and gets the
        new epoch before anything is appended, unless its epoch began later than that. Raises: Fenced.
        """
        reply = await self._claim(keys=[self.name.pos, self.name.log], args=[fence, epoch, known_id or ""])
        if reply[0] == b"FENCED":
            raise Fenced(int(reply[1]))
        claimed = Claimed(epoch="", last_id="", fresh=reply[0] != b"OK", born=reply[0] == b"BORN")
        fields: list[bytes] = reply[1]
        for name, value in zip(fields[::2], fields[1::2], strict=True):
            _sort_field(claimed, name.decode(), value.decode())
        return claimed

    async def append(
        self,
        fence: int,
        expected_id: str,
        updates: Sequence[Update],
        positions: Mapping[str, str],
        max_entries: int,
    ) -> str:
        """Append ``updates`` and store the source ``positions``, all or nothing; return the log's new last id.

        Raises: Fenced, Moved; then nothing was written.
        """
        keys = [self.name.log, self.name.pos, self.name.last]
        args: list[Any] = [
            fence,
            expected_id,
            max_entries,
            len(updates),
        ]  # Any: redis-py encodes str, bytes, int
        for update in updates:
            keys.append(self._key_state(key_text(update.key)))
            args += [self._operation(update), *self._fields(update), update.seq, encode_update(update)]
        for name, value in positions.items():
            args += [name, value]
        reply = await self._append(keys=keys, args=args)
        return _last_id(reply, expected_id)

    async def restart(self, fence: int, expected_id: str, key: Key, epoch: str) -> str:
        """Forget all of ``key`` and begin ``epoch``; return the log's new last id. Raises: as ``append``."""
        keys = [self.name.pos, self.name.log, self.name.last_of(key_text(key))]
        script = self.redis.register_script(log_scripts.RESTART)
        return _last_id(
            await script(keys=keys, args=[fence, expected_id, f"s:{key_text(key)}", epoch]), expected_id
        )

    def _key_state(self, text: str) -> str:
        return self.name.last if self.stream.kind is Kind.VALUE else self.name.last_of(text)

    def _operation(self, update: Update) -> str:
        if self.stream.kind is Kind.VALUE:
            return "V"
        if self.stream.kind is Kind.TAIL:
            return "T"
        return "D" if update.deleted else "E"

    def _fields(self, update: Update) -> tuple[str, str]:
        """Return the field of the snapshot hash, and the field of ``:pos`` that keeps the key's sequence."""
        text = key_text(update.key)
        return (text if self.stream.kind is Kind.VALUE else update.element or ""), f"s:{text}"

    # -- everybody's side -------------------------------------------------------------------------------------------

    async def snapshot(self, under: Key) -> LogSnapshot:
        """Return the state of the key ``under``, or of every key that begins with it, and the position at which it held.

        Both are read in one step. () means the whole log.
        """
        whole = len(under) == len(self.stream.key_fields)
        text = key_text(under) if whole else f"{key_text(under)[:-1]}," if under else ""
        reply = await self._snapshot(
            keys=[self.name.pos, self.name.last],
            args=[self.stream.kind.value, SNAPSHOT_TAIL, "=" if whole else "*", text],
        )
        epoch, last_id, rows = reply
        snapshots = (parse_key_snapshot(text, seq, blobs) for text, seq, blobs in rows)
        kept = tuple(snapshot for snapshot in snapshots if snapshot is not None)
        return LogSnapshot(epoch.decode() or None, position(last_id), kept)

    async def standing(self) -> tuple[str | None, Position]:
        """Return epoch and last id; (None, START) when the log does not exist."""
        epoch, last_id = await ask(self.redis, "HMGET", self.name.pos, "epoch", "id")
        return (epoch.decode() if epoch else None), position(last_id or b"")

    async def range(self, after: Position, until: Position, count: int) -> list[LogEntry]:
        """Return up to ``count`` entries with ``after`` < position ≤ ``until``, oldest first."""
        rows = await self.redis.xrange(
            self.name.log, min=f"({entry_id(after)}", max=entry_id(until), count=count
        )
        return [parse_entry(raw_id, fields) for raw_id, fields in rows or []]

    async def compare(self, epoch: str | None, read: Position, new_epoch: str) -> Compared:
        """Find out whether this is the log of which the caller read everything up to ``read``, under ``epoch``.

        If it claims to be but does not hold that entry, it came back with older data: it gets ``new_epoch``.
        """
        args = [epoch or "", entry_id(read), new_epoch]
        verdict, found, last_id = await self._compare(keys=[self.name.pos, self.name.log], args=args)
        return Compared(Verdict(verdict.decode()), found.decode() or None, position(last_id))

    async def range_from(self, seen: Position, until: Position, count: int) -> list[LogEntry] | None:
        """Return up to ``count`` entries after ``seen``, oldest first; None if the log was trimmed beyond ``seen``.

        The entry at ``seen`` itself is the proof that nothing after it is missing; the newest one is never trimmed.
        """
        if seen == START:
            return await self.range(seen, until, count)
        rows = await self.redis.xrange(
            self.name.log, min=entry_id(seen), max=entry_id(until), count=count + 1
        )
        if not rows or position(rows[0][0]) != seen:
            return None
        return [parse_entry(raw_id, fields) for raw_id, fields in rows[1:]]

    async def holds(self, at: Position) -> bool:
        """Return whether the entry at ``at`` is still in the log."""
        return bool(await self.redis.xrange(self.name.log, min=entry_id(at), max=entry_id(at), count=1))


def _last_id(reply: list[bytes], expected_id: str) -> str:
    if reply[0] == b"FENCED":
        raise Fenced(int(reply[1]))
    if reply[0] == b"MOVED":
        raise Moved(expected_id, reply[1].decode())
    return reply[1].decode()


def _sort_field(claimed: Claimed, name: str, value: str) -> None:
    match name.partition(":"):
        case ("epoch", _, _):
            claimed.epoch = value
        case ("id", _, _):
            claimed.last_id = value
        case ("s", _, text):
            claimed.seqs[text] = int(value)
        case ("p", _, source):
            claimed.positions[source] = value
