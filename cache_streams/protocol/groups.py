"""Names derived from a stream and its keys: Channels groups, Redis hash tags, shards, keys on the wire."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import NamedTuple

from cache_streams.streams.declaration import Key

NAME_LENGTH_LIMIT = 100
"""Channels refuses a group name of this many characters or more."""
SHARDS_LIMIT = 100

_CACHED_NAMES = 65_536
_EVERY_KEY = "--"  # an escape is "-" and two hexadecimal digits, so no escaped part is or contains this
_ESCAPED_PART = r"(?:[A-Za-z0-9_]|-[0-9a-f]{2})*"
_GROUP = re.compile(rf"({_ESCAPED_PART})((?:\.{_ESCAPED_PART})*|\.{_EVERY_KEY}\.{_ESCAPED_PART})\Z")
_ODD_BYTE = re.compile(rb"[^A-Za-z0-9_]")
_ESCAPE = re.compile(rb"-([0-9a-f]{2})")


class NameTooLong(ValueError):
    """A stream and key give a group name that Channels would refuse."""

    def __init__(self, stream: str, length: int) -> None:
        super().__init__(
            f"key of {stream!r}: the group name made of it has {length} characters and must have"
            f" fewer than {NAME_LENGTH_LIMIT} (each byte outside A-Z a-z 0-9 _ counts three)"
        )
        self.stream = stream
        self.length = length


class LogGroup(NamedTuple):
    """What a group name stands for: one key of a stream, or, when ``key`` is None, every key of one log."""

    stream: str
    key: Key | None
    partition: str | None


@lru_cache(_CACHED_NAMES)
def group_name(stream: str, key: Key) -> str:
    """Return the group of one key: ``("tickers", ("kraken", "BTC/USDC"))`` gives ``tickers.kraken.BTC-2fUSDC``.

    Legal for Channels and injective. Raises: NameTooLong.
    """
    return _checked(stream, ".".join((_escaped(stream), *map(_escaped, key))))


@lru_cache(_CACHED_NAMES)
def wildcard_name(stream: str, partition: str) -> str:
    """Return the group of every key of the log ``partition``; never the name of a key. Raises: NameTooLong."""
    return _checked(stream, ".".join((_escaped(stream), _EVERY_KEY, _escaped(partition))))


@lru_cache(_CACHED_NAMES)
def parse_group(name: str) -> LogGroup | None:
    """Return what ``name`` stands for; None when neither ``group_name`` nor ``wildcard_name`` could have made it."""
    found = _GROUP.match(name)
    if found is None or "." not in name or len(name) >= NAME_LENGTH_LIMIT:
        return None
    try:
        stream, *parts = name.split(".")
        if parts[0] == _EVERY_KEY:
            return LogGroup(_plain(stream), None, _plain(parts[1]))
        return LogGroup(_plain(stream), tuple(map(_plain, parts)), None)
    except ValueError:  # escapes that are not UTF-8, or that stand for a byte which needs none
        return None


def is_log_group(name: str) -> str | None:
    """Return the stream that a well-formed group name begins with, else None.

    Whether such a stream is declared is for the registry to say: ``chat.lobby`` reads as stream ``chat``.
    """
    group = parse_group(name)
    return None if group is None else group.stream


@lru_cache(_CACHED_NAMES)
def log_tag(stream: str, partition: str) -> str:
    """Return what stands between the braces of a log's Redis keys: ``tickers:kraken``; injective, free of braces."""
    return f"{_escaped(stream)}:{_escaped(partition)}"


@lru_cache(_CACHED_NAMES)
def shard_of(key_part: str, shards: int) -> str:
    """Return the shard (``00`` … ``99``) that a key part belongs to; the same in every process and release."""
    if not 1 <= shards <= SHARDS_LIMIT:
        raise ValueError(f"shards: {shards} must be between 1 and {SHARDS_LIMIT}")
    digest = hashlib.blake2b(key_part.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return f"{int.from_bytes(digest, 'big') % shards:02d}"


def wire_key(key: Key) -> str:
    """Return a key as clients read it: ``kraken:BTC/USDC``."""
    return ":".join(key)


def _checked(stream: str, name: str) -> str:
    if len(name) >= NAME_LENGTH_LIMIT:
        raise NameTooLong(stream, len(name))
    return name


def _escaped(part: str) -> str:
    raw = part.encode("utf-8", "surrogatepass")
    return _ODD_BYTE.sub(lambda odd: b"-%02x" % odd.group()[0], raw).decode("ascii")


def _plain(escaped: str) -> str:
    raw = _ESCAPE.sub(lambda hexed: bytes([int(hexed.group(1), 16)]), escaped.encode("ascii"))
    plain = raw.decode("utf-8", "surrogatepass")
    if _escaped(plain) != escaped:
        raise ValueError("not an escape of this module's making")
    return plain
