"""Endings that are kept: one by the socket's id, or the newest of a user, of a kind. Blocks: for Django's threads."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cache_streams.endings import DECODER, by_id_key, by_time_key
from cache_streams.facts import Ending
from cache_streams.operators.asking import reading, tell

LOOKED_AT = 2_000
"""Endings that a search goes through, newest first."""
SHOWN = 100
_ID = re.compile(r"(?:c|agents)-([0-9a-f]{16})")


def canonical_id(given: str) -> str | None:
    """Return a socket's id, also where a client of the agents family gives the one it was told; None for no id."""
    found = _ID.fullmatch(given.strip().lower())
    return None if found is None else f"c-{found[1]}"


def ending_of(socket_id: str) -> Ending | None:
    """Return how a socket ended; None when it is open, unknown, or longer ago than is kept. Raises: WorkersUnreachableError."""
    with reading() as client:
        raw: bytes | None = tell(client, "HGET", by_id_key(), socket_id)
    return None if raw is None else DECODER.decode(raw)


def newest_endings(wanted: Callable[[Ending], bool]) -> list[Ending]:
    """Return the newest endings that are wanted, of the newest 2,000. Raises: WorkersUnreachableError."""
    with reading() as client:
        ids: list[bytes] = tell(client, "ZREVRANGE", by_time_key(), "0", str(LOOKED_AT - 1))
        raw: list[bytes | None] = tell(client, "HMGET", by_id_key(), *ids) if ids else []
    found: list[Ending] = []
    for each in raw:
        if each is not None and wanted(ending := DECODER.decode(each)):
            found.append(ending)
            if len(found) == SHOWN:
                break
    return found


def as_told(ending: Ending) -> dict[str, Any]:  # Any: JSON
    """Return what the socket's own user may know: everything but the names of credentials and workers."""
    socket = ending.socket
    return {
        "connection_id": socket.socket_id,
        "family": socket.family,
        "path": socket.path,
        "opened_at": socket.opened_at,
        "ended_at": ending.ended_at,
        "ended_by": ending.by,
        "code": ending.code,
        "reason": ending.reason,
        "rule": ending.rule,
        "bytes_waiting": socket.waiting,
        "bytes_taken": socket.taken,
        "frames_received": ending.received,
        "subscriptions": [
            {"stream": each.stream, "hot": each.hot, "behind": each.behind, "skipped": each.skipped}
            for each in socket.memberships
        ],
        "told": [
            {"stream": each.stream, "partition": each.partition, "cursor": each.cursor}
            for each in ending.places
        ],
    }
