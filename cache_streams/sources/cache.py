"""The cache as it is now: what the collectors stored, read at the moment of asking."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from redis.exceptions import RedisError

from cache_streams.connections import ask, shared_redis
from cache_streams.sources.drive import drive, permitted
from cache_streams.sources.readers import BeaconReader, HashReader, JoinedReader, Reading, decoded, expect
from cache_streams.streams import patterns
from cache_streams.streams.accounts import ACCOUNTS
from cache_streams.streams.bots import BOTS
from cache_streams.streams.declaration import (
    Bars,
    Beacons,
    HashFields,
    JoinedHashes,
    ListTail,
    Record,
    Stream,
)
from cache_streams.streams.ohlcv import OHLCV
from cache_streams.streams.orders import ORDERS
from cache_streams.streams.positions import POSITIONS
from cache_streams.streams.process import PROCESS
from cache_streams.streams.tickers import TICKERS
from cache_streams.streams.trades import TRADES

ELEMENTS = 10_000
"""List elements that one answer carries at most, the newest."""
SCAN_COUNT = 1000


class CacheUnavailable(Exception):
    """Redis does not answer, or refuses: nothing can be said about what the cache holds."""


async def ticker(exchange: str, symbol: str) -> Record | None:
    """Return one ticker, a missing price as 0.0; None when it is not stored. Source: hash ``tickers:{exchange}``."""
    return _only(await _hash_fields(TICKERS, {"exchange": exchange}, symbol, missing_price=0.0))


async def tickers(exchange: str) -> list[Record]:
    """Return every readable ticker of an exchange."""
    return await _whole_hash(TICKERS, {"exchange": exchange}, missing_price=0.0)


async def order(exchange: str | None, order_id: str) -> Record | None:
    """Return one order, of any exchange if None. Source: hash ``order_status:{exchange}``; a missing time is now."""
    exchanges = [exchange] if exchange is not None else await known_exchanges()
    for name in exchanges:
        found = _only(await _hash_fields(ORDERS, {"exchange": name}, order_id, fallback_time=time.time()))
        if found is not None:
            return found
    return None


async def orders(exchange: str) -> list[Record]:
    """Return every readable order of an exchange."""
    return await _whole_hash(ORDERS, {"exchange": exchange}, fallback_time=time.time())


async def trades(exchange: str, symbol: str) -> list[Record]:
    """Return the trades that stand in the list, oldest first. Source: list ``trades:{exchange}:{symbol without /}``."""
    layout = TRADES.layout
    assert isinstance(layout, ListTail)  # noqa: S101  # tells mypy what the declaration says
    key = patterns.fill(layout.pattern, {"exchange": exchange, "symbol": symbol.replace("/", "")})
    names = {"exchange": exchange, "symbol": symbol}
    records = [decoded(TRADES, layout.decode, names, raw) for raw in await _list(TRADES, key, ELEMENTS)]
    return [record for record in records if record is not None]


async def trade_status(key: str) -> str | None:
    """Return when trades of an exchange were last written, ISO as stored. Source: string ``TRADE:STATUS:{key}``."""
    reply = await _look(TRADES, "GET", f"TRADE:STATUS:{key}")
    return reply.decode(errors="replace") if isinstance(reply, bytes) else None


async def account(account_id: str) -> Record | None:
    """Return one account's balances. Source: hash ``accounts``."""
    return _only(await _hash_fields(ACCOUNTS, {}, account_id))


async def positions(account_id: str | None) -> list[Record]:
    """Return the positions of one account, or of all. Source: hash ``account_positions``."""
    if account_id is None:
        return await _whole_hash(POSITIONS, {})
    return await _hash_fields(POSITIONS, {}, account_id)


async def bots() -> list[Record]:
    """Return every bot, with blocks and openings."""
    layout = BOTS.layout
    assert isinstance(layout, JoinedHashes)  # noqa: S101  # as above
    return await _read(BOTS, JoinedReader(BOTS, layout).read())


async def bars(symbol: str, timeframe: str, count: int) -> list[Record]:
    """Return the newest bars as stored, oldest first; without its slash if the symbol has none as requested."""
    layout = OHLCV.layout
    assert isinstance(layout, Bars)  # noqa: S101  # as above
    name = await stored_symbol(symbol, timeframe)
    key = patterns.fill(layout.pattern, {"symbol": name, "timeframe": timeframe})
    names, now = {"symbol": name, "timeframe": timeframe}, time.time()
    records = [decoded(OHLCV, layout.decode, names, raw, now) for raw in await _list(OHLCV, key, count)]
    return [record for record in records if record is not None]


async def stored_symbol(symbol: str, timeframe: str) -> str:
    """Return the spelling under which bars are stored: as given, else without slashes, else as given."""
    slashless = symbol.replace("/", "")
    if slashless == symbol or await _ask("EXISTS", f"ohlcv:{symbol}:{timeframe}"):
        return symbol
    return slashless if await _ask("EXISTS", f"ohlcv:{slashless}:{timeframe}") else symbol


async def has_market(exchange: str, symbol: str) -> bool:
    """Return whether an exchange has a ticker of exactly this symbol."""
    return bool(await _look(TICKERS, "HEXISTS", f"tickers:{exchange}", symbol))


async def unified_symbol(exchange: str, symbol: str) -> str:
    """Return the market's name with its slash, where a client may have left it out as the key of its list does."""
    if "/" in symbol or await _look(TICKERS, "HEXISTS", f"tickers:{exchange}", symbol):
        return symbol
    fields = await _look(TICKERS, "HKEYS", f"tickers:{exchange}")
    names = (field.decode(errors="replace") for field in fields or ())
    return next((name for name in names if name.replace("/", "") == symbol), symbol)


async def is_exchange(name: str) -> bool:
    """Return whether the cache holds orders or tickers of an exchange of that name."""
    return bool(await _ask("EXISTS", f"order_status:{name}", f"tickers:{name}"))


async def processes() -> list[Record]:
    """Return every process whose record still exists."""
    layout = PROCESS.layout
    assert isinstance(layout, Beacons)  # noqa: S101  # as above
    things, seen = {}, []
    for key in await _scan("process:*"):
        names = patterns.match(layout.pattern, key)
        if names is not None:
            things[key] = names
        elif patterns.match(layout.seen, key) is not None:
            seen.append(key)
    return await _read(PROCESS, BeaconReader(PROCESS, layout).read(things, seen, time.time()))


async def known_exchanges() -> list[str]:
    """Return the exchanges that have orders."""
    return [key.partition(":")[2] for key in await _scan("order_status:*")]


async def answers() -> float:
    """Return how long a PING took, in seconds. Raises: CacheUnavailable."""
    started = time.perf_counter()
    await _ask("PING")
    return time.perf_counter() - started


async def _hash_fields(
    stream: Stream, names: dict[str, str], field: str, **decode: Any
) -> list[Record]:  # Any: keywords of the decoder
    reader = _hash_reader(stream, names, decode)
    return [r for r in await _read(stream, reader.read([field.encode()])) if r.value is not None]


async def _whole_hash(stream: Stream, names: dict[str, str], **decode: Any) -> list[Record]:  # Any: as above
    return await _read(stream, _hash_reader(stream, names, decode).read())


def _hash_reader(
    stream: Stream, names: dict[str, str], decode: dict[str, Any]
) -> HashReader:  # Any: as above
    layout = stream.layout
    assert isinstance(layout, HashFields)  # noqa: S101  # tells mypy what the declarations say
    lenient: Callable[..., Record] = partial(layout.decode, **decode)
    return HashReader(
        stream, dataclasses.replace(layout, decode=lenient), patterns.fill(layout.pattern, names), names
    )


async def _read(stream: Stream, reading: Reading) -> list[Record]:
    try:
        return (await drive(shared_redis(), [permitted(reading)], stream.name)).records[0]
    except (RedisError, OSError) as error:
        raise CacheUnavailable(type(error).__name__) from error


async def _list(stream: Stream, key: str, count: int) -> list[bytes]:
    def read() -> Reading:
        (reply,) = yield [("LRANGE", key, -count, -1)]
        elements.extend(reply if expect(stream, reply, list) else [])
        return []

    elements: list[bytes] = []
    await _read(stream, read())
    return elements


async def _scan(pattern: str) -> list[str]:
    cursor, found = b"0", []
    while True:
        cursor, keys = await _ask("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT)
        found += [key.decode(errors="replace") for key in keys]
        if int(cursor) == 0:
            return found


async def _look(stream: Stream, *command: str) -> Any:  # Any: the reply of any command
    """Return the reply of a read of one key; None, counted, when that key has another Redis type."""

    def read() -> Reading:
        (reply,) = yield [command]
        refused = isinstance(reply, Exception) and not expect(stream, reply, bytes)
        replies.append(None if refused else reply)
        return []

    replies: list[Any] = []
    await _read(stream, read())
    return replies[0]


async def _ask(*command: str | bytes | int) -> Any:  # Any: the reply of any command
    try:
        return await ask(shared_redis(), *command)
    except (RedisError, OSError) as error:
        raise CacheUnavailable(type(error).__name__) from error


def _only(records: list[Record]) -> Record | None:
    return records[0] if records else None
