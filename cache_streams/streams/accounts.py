"""Accounts: the balances of each exchange account, per currency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cache_streams.streams import values
from cache_streams.streams.declaration import Audience, HashFields, Kind, Mode, Names, Record, Stream

_DATE = "date"
_KNOWN = ("total", "balance", "free", "available", "used", "reserved")


class Balance(msgspec.Struct, frozen=True, gc=False):
    """What an account holds of one currency, in that currency."""

    total: float
    free: float
    used: float


class Account(msgspec.Struct, frozen=True):
    """Balances by currency; ``time`` is Unix seconds of the last write, None when unreadable."""

    account: str
    balances: dict[str, Balance]
    time: float | None


def decode(_names: Names, field: str, raw: bytes) -> Record:
    """Read one field of the hash ``accounts``: currency → balance, plus one ``date``.

    Members that are not balances are left out; those that are objects without any of the known amounts are a flaw.
    """
    account = values.name(field)
    stored = values.json_object(raw)
    time = values.epoch(stored.get(_DATE))
    balances: dict[str, Balance] = {}
    flaw = None
    for currency, amounts in stored.items():
        if currency == _DATE or not isinstance(amounts, dict):
            continue
        balance = _balance(amounts)
        if balance is None:
            flaw = "currency"
        else:
            balances[currency] = balance
    return Record(key=(account,), value=Account(account, balances, time), time=time, flaw=flaw)


def _balance(amounts: Mapping[str, Any]) -> Balance | None:  # Any: JSON as a collector stored it
    """Return the balance that either of the collectors' shapes tells; None when no known amount is in it."""
    if all(isinstance(amounts.get(known, {}), dict | list) for known in _KNOWN):
        return None
    amount = {known: values.number(amounts.get(known)) for known in _KNOWN}
    free = _first(amount["available"], amount["free"])
    used = _first(amount["used"], amount["reserved"])
    total = amount["balance"] or _first(amount["total"], amount["balance"])
    if total is None:
        total = (free or 0.0) + (used or 0.0)
    if free is None:
        free = total if used is None else total - used
    return Balance(total, free, max(total - free, 0.0) if used is None else used)


def _first(preferred: float | None, other: float | None) -> float | None:
    return other if preferred is None else preferred


ACCOUNTS = Stream(
    name="accounts",
    payload=Account,
    key_fields=("account",),
    kind=Kind.VALUE,
    mode=Mode.EVERY,
    audience=Audience.OWNER,
    owner="account",
    layout=HashFields("accounts", decode),
)
