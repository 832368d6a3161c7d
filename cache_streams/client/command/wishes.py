"""What a person names on the command line, as the gateway is asked for it: ``kraken 'BTC/*'`` is every market, of which some are shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cache_streams.client.command.exits import Exit, Stopped
from cache_streams.client.gateway import Gateway
from cache_streams.client.streams import Names
from cache_streams.protocol.native.frames import PartitionsAck
from cache_streams.streams import by_name

EVERY = "*"
_OWNER, _ACCOUNT, _EXCHANGE = "owner", "account", "exchange"


@dataclass(frozen=True, slots=True)
class Named:
    """Keys of a stream: what to ask for, and which of the keys that come are meant."""

    stream: str
    key: dict[str, Names]
    shown: Callable[[str], bool]


def fields_of(stream: str) -> tuple[str, ...]:
    """Return the key fields that a stream is asked by. Raises: Stopped."""
    if stream not in by_name:
        raise Stopped(Exit.USAGE, f"stream: there is no {stream!r}; there are {', '.join(by_name)}")
    if stream == "agents":
        return ("run",)
    return tuple(_ACCOUNT if field == _OWNER else field for field in by_name[stream].key_fields)


async def named(gateway: Gateway, stream: str, given: Sequence[str]) -> Named:
    """Return what a person means by these words. Raises: Stopped, RequestRefused, ConnectionLost."""
    fields = fields_of(stream)
    if len(given) > len(fields):
        raise Stopped(
            Exit.USAGE, f"{stream} is named by {' and '.join(fields)}; {given[len(fields)]!r} is too much"
        )
    words = dict(zip(fields, [*given, *[EVERY] * (len(fields) - len(given))], strict=False))
    if stream == "agents":
        return Named(stream, {name: word for name, word in words.items() if word != EVERY}, lambda _: True)
    key: dict[str, Names] = {name: EVERY if "*" in word else word for name, word in words.items()}
    partition = by_name[stream].partition or _EXCHANGE
    if key.get(partition) == EVERY:  # "*" never stands for it: it is named one by one
        key[partition] = await _partitions(gateway, stream, pattern_of([words[partition]]))
    open_words = [word if "*" in word else EVERY for word in words.values()]
    return Named(stream, key, pattern_of(open_words))


def pattern_of(words: Sequence[str]) -> Callable[[str], bool]:
    """Return whether a key is meant: each ``*`` stands for any number of characters."""
    parts = [".*".join(map(re.escape, word.split(EVERY))) for word in words]
    pattern = re.compile(":".join(parts), re.DOTALL)
    return lambda key: pattern.fullmatch(key) is not None


async def _partitions(gateway: Gateway, stream: str, meant: Callable[[str], bool]) -> list[str]:
    # Whose logs are not divided by exchange are divided by nothing that has names; exchanges are then those with tickers.
    asked = stream if by_name[stream].partition is not None else "tickers"
    ack = await gateway.request("partitions", stream=asked)
    found = [name for name in ack.partitions if meant(name)] if isinstance(ack, PartitionsAck) else []
    if not found:
        raise Stopped(Exit.REFUSED, f"{by_name[asked].partition}: none of that name holds {asked}")
    return found
