"""Snapshots and updates as closed types: for the documents and for clients. The server puts their bytes together: ``rendition``."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType


class SnapshotFrame(Struct, kw_only=True, frozen=True, tag_field="type", tag="snapshot"):
    """What a key holds: null when nothing, a list where the stream is list-like. ``more``: keys of the same state follow.

    ``cursor`` is null while the log does not exist.
    """

    sub: int
    stream: str
    key: str
    seq: int
    cursor: str | None
    more: bool | UnsetType = UNSET
    data: msgspec.Raw


class UpdateFrame(Struct, kw_only=True, frozen=True, tag_field="type", tag="update"):
    """One change of a key, the same bytes for every subscriber. ``ts``: when the source stamped it, when the relay took it.

    ``replay``: it happened before, and is told again.
    """

    stream: str
    key: str
    seq: int
    cursor: str | None
    ts: tuple[float | None, float]
    replay: Literal[True] | UnsetType = UNSET
    data: msgspec.Raw


class Deleted(Struct, kw_only=True, frozen=True):
    """The update of an element that left its collection."""

    deleted: str
