"""Results about exchange accounts as the RPC family shows them: balances and positions."""

from __future__ import annotations

from collections.abc import Iterable

from cache_streams.protocol.rpc.queries import BalanceQuery, PositionsQuery
from cache_streams.protocol.strict_json import Json
from cache_streams.streams.accounts import Account
from cache_streams.streams.positions import Position, Positions


def balance_result(account: Account, query: BalanceQuery, now: float) -> dict[str, Json] | None:
    """Return one currency of an account; None when the account does not hold it."""
    balance = account.balances.get(query.currency)
    if balance is None:
        return None
    return {
        "user_id": query.account,
        "currency": query.currency,
        "total_balance": balance.total,
        "available_balance": balance.free,
        "reserved_balance": max(balance.total - balance.free, 0.0),
        "timestamp": now,
    }


def balances_result(account: Account, now: float) -> dict[str, Json]:
    """Return every currency of an account."""
    return {"exchange_id": account_id(account.account), "balances": account.balances, "timestamp": now}


def no_balances_result(account: str, now: float) -> dict[str, Json]:
    """Return what a stream tells of an account that was removed."""
    return {"exchange_id": account_id(account), "balances": {}, "timestamp": now}


def account_id(account: str) -> int | str:
    """Return an account as clients name it: the integer that it nearly always is, else the text."""
    return (
        int(account)
        if account.isascii() and account.isdecimal() and str(int(account)) == account
        else account
    )


def position_result(account: str, position: Position) -> dict[str, Json]:
    """Return one position; ``exchange`` is its account. No profit is stored, so mark is entry and profit 0."""
    return {
        "symbol": position.symbol,
        "exchange": account,
        "side": position.side,
        "size": position.volume,
        "entry_price": position.price,
        "mark_price": position.price,
        "pnl": 0.0,
        "pnl_percent": 0.0,
        "timestamp": position.time,
    }


def positions_result(accounts: Iterable[Positions], query: PositionsQuery) -> dict[str, Json]:
    """Return every position of the accounts, which are those that the query means."""
    shown = [position_result(held.account, position) for held in accounts for position in held.positions]
    return {
        "user_id": query.user_id or None,
        "exchange": query.exchange,
        "positions": shown,
        "count": len(shown),
    }


def position_updates(held: Positions) -> list[dict[str, Json]]:
    """Return what a stream tells of one account's positions, one result each; ``user_id`` is null as clients assert."""
    return [{"user_id": None, **position_result(held.account, position)} for position in held.positions]
