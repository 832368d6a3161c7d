"""From where a request resumes: ``since`` is one cursor, or one for each key or log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.conf import settings

from cache_streams.consumers.native_book import LOG_NAME, Name, Wanted
from cache_streams.log_names import partition_of
from cache_streams.places import Cursor, parse_cursor
from cache_streams.protocol.native.errors import Refused, invalid
from cache_streams.protocol.native.keys import parse_key, whole_key
from cache_streams.streams.declaration import Stream


def cursors_since(
    wanted: Sequence[Wanted], since: str | Mapping[str, str] | None
) -> dict[Name, Mapping[str, Cursor]]:
    """Return from where each resumes, by partition. Raises: Refused."""
    if since is None:
        return {}
    if isinstance(since, str):
        cursor = cursor_of(since)
        many = next((each for each in wanted if len(each.partitions) > 1), None)
        if many is not None:
            raise invalid(
                "since", f"{many.text} reads {len(many.partitions)} logs: one cursor per key is needed"
            )
        return {each.name: dict.fromkeys(each.partitions, cursor) for each in wanted}
    by_text = {text: cursor_of(cursor) for text, cursor in since.items()}
    by_partition = _newest(wanted[0].stream, by_text)
    return {each.name: _known(each, by_text, by_partition) for each in wanted}


def _known(
    wanted: Wanted, by_text: Mapping[str, Cursor], by_partition: Mapping[str, Cursor]
) -> dict[str, Cursor]:
    own = by_text.get(wanted.text)
    if own is not None and len(wanted.partitions) == 1:
        return {wanted.partitions[0]: own}
    if whole_key(wanted.pattern) is not None:
        return {}
    return {name: by_partition[name] for name in wanted.partitions if name in by_partition}


def _newest(stream: Stream, by_text: Mapping[str, Cursor]) -> dict[str, Cursor]:
    """Return the newest cursor of each log: what came before it, of whatever key, was received."""
    newest: dict[str, Cursor] = {}
    for text, cursor in by_text.items():
        partition = _partition(stream, text)
        if partition not in newest or newest[partition].position < cursor.position:
            newest[partition] = cursor
    return newest


def _partition(stream: Stream, text: str) -> str:
    if text.startswith(LOG_NAME):
        return text.removeprefix(LOG_NAME)
    try:
        return partition_of(stream, parse_key(stream, text), settings.LOG_SHARDS)
    except ValueError:
        raise invalid("since", "a name in it is not a key of this stream") from None


def cursor_of(text: str, field: str = "since") -> Cursor:
    """Return a cursor that a client sent. Raises: Refused."""
    try:
        return parse_cursor(text)
    except ValueError:
        raise Refused("INVALID_CURSOR", f"{field}: not a cursor of this server", field=field) from None
