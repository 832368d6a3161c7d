"""Messages as rows of a table: for notebooks, where pandas may or may not be there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from cache_streams.client.messages import Message
from cache_streams.streams.accounts import Account
from cache_streams.streams.positions import Positions

if TYPE_CHECKING:
    import pandas as pd

Row: TypeAlias = dict[str, Any]  # Any: the fields of whichever stream


def rows(messages: Iterable[Message[Any]]) -> list[Row]:  # Any: whichever stream
    """Return one row for each object: of an account for each currency, of positions for each of them.

    Each begins with ``key``, ``seq`` and ``cursor`` of its message; a key that holds nothing has no row.
    """
    return [
        {"key": message.key, "seq": message.seq, "cursor": message.cursor, **found}
        for message in messages
        for element in (message.data if isinstance(message.data, list) else [message.data])
        if element is not None
        for found in _flat(element)
    ]


def frame(messages: Iterable[Message[Any]]) -> pd.DataFrame:  # Any: as above
    """Return the rows as a pandas frame, times as they are told: Unix seconds. Raises: ImportError without pandas."""
    try:
        import pandas as pd
    except ImportError:
        raise ImportError("frames need pandas: pip install 'fullon-stream[pandas]'") from None
    return pd.DataFrame(rows(messages))


def _flat(element: Any) -> Iterator[Row]:  # Any: the object of whichever stream
    if isinstance(element, Account):
        for currency, balance in element.balances.items():
            yield {"account": element.account, "currency": currency, **_plain(balance), "time": element.time}
    elif isinstance(element, Positions):
        for position in element.positions:
            yield {"account": element.account, **_plain(position)}
    else:
        yield _plain(element)


def _plain(element: Any) -> Row:  # Any: as above
    plain: Row = msgspec.to_builtins(element)
    return plain
