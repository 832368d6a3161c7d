"""The socket that a declaration alone gives a stream: its canonical objects, pushed, under one key or a part of one."""

from __future__ import annotations

from typing import ClassVar

from cache_streams.consumers.rpc import RpcConsumer
from cache_streams.protocol.canonical import CANONICAL
from cache_streams.streams.declaration import Key, Stream


class DeclaredConsumer(RpcConsumer):
    """Pushes a stream that no client of the replaced system knows; what it asks, every domain's ping answers."""

    stream: ClassVar[Stream]
    domain = ""

    async def opened(self) -> None:
        await super().opened()
        names = self.scope["url_route"]["kwargs"]
        under: Key = tuple(names[field] for field in self.stream.key_fields if names.get(field))
        self.join(self.stream, under, CANONICAL)


def declared_consumer(stream: Stream) -> type[DeclaredConsumer]:
    """Return the consumer class of a stream that has none of its own."""
    return type(f"{stream.name.title()}Consumer", (DeclaredConsumer,), {"stream": stream})


def declared_pattern(stream: Stream) -> str:
    """Return the path of a declared stream below the mount: its key fields as segments, the last may hold slashes.

    Fields may be left out from the right, as far as the log to read is still known.
    """
    fixed = stream.key_fields.index(stream.partition) + 1 if stream.partition is not None else 0
    pattern = ""
    for position, field in reversed(list(enumerate(stream.key_fields))):
        characters = ".+" if position == len(stream.key_fields) - 1 else "[^/]+"
        segment = f"/(?P<{field}>{characters}?){pattern}"
        pattern = segment if position < fixed else f"(?:{segment})?"
    return f"ws/{stream.name}{pattern}/?$"
