"""A seeded trading desk: two bots whose orders live and end, and the balances and positions that they leave."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from cache_streams.demo.market import EXCHANGES, Listing, Stored, rounded

ACCOUNTS: Mapping[str, str] = dict(zip(("1", "2"), EXCHANGES, strict=True))
"""Account id → the exchange it is at; bot "1" trades for account "1", bot "2" for "2"."""

OPEN_ORDERS = 6
"""Most orders that a bot has open."""
KEPT_ORDERS = 30
"""Finished orders that stay in an exchange's hash; older ones are removed."""

_CASH = "USDC"
_START_CASH = 100_000.0
_FEE = 0.001
_OPENS = 0.4  # share of the steps that open an order while there is room for one
_SELLS = 0.6  # share of the orders on a symbol that is held which sell it
_CANCELS = 0.15  # share of the advances that cancel
_PARTIAL = 0.5  # share of the first fills that are partial
_DUST = 1e-9  # what floats leave of a holding that was sold


@dataclass(slots=True)
class Order:
    """One order while the desk works on it; ``volume`` in base currency."""

    account: str
    order_id: str
    symbol: str
    side: str
    volume: float
    price: float
    status: str = "New"
    filled: float = 0.0

    @property
    def exchange(self) -> str:
        """The exchange of the order's account."""
        return ACCOUNTS[self.account]

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen to it."""
        return self.status in {"New", "open", "partially_filled"}


@dataclass(slots=True)
class Holding:
    """What an account holds of one symbol: base volume, quote cost and fees paid."""

    volume: float = 0.0
    cost: float = 0.0
    fee: float = 0.0


@dataclass(slots=True)
class Book:
    """One account: its cash, its holdings, its open orders and the finished ones that are still shown."""

    cash: float = _START_CASH
    holdings: dict[str, Holding] = field(default_factory=dict)
    open: list[Order] = field(default_factory=list)
    finished: deque[Order] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to one order, and which finished order made room for it (None: none had to)."""

    order: Order
    forgotten: Order | None = None


class Desk:
    """The same orders for the same seed, listings, prices and times (Unix seconds) at which it is asked."""

    def __init__(
        self, seed: int, listings: Sequence[Listing], price_of: Callable[[str, str], float], start: float
    ) -> None:
        self._random = Random(seed + 1)
        self._price_of = price_of
        self._symbols = {exchange: [s for e, s in listings if e == exchange] for exchange in EXCHANGES}
        self._count = int(start)  # no order id that an earlier run has used
        self.books = {account: Book() for account in ACCOUNTS}

    def step(self, account: str) -> Step:
        """Let one order of ``account`` begin or go on."""
        book = self.books[account]
        if not book.open or (len(book.open) < OPEN_ORDERS and self._random.random() < _OPENS):
            order = self._new_order(account)
            book.open.append(order)
            return Step(order)
        order = self._random.choice(book.open)
        self._advance(order)
        if order.is_open:
            return Step(order)
        book.open.remove(order)
        book.finished.append(order)
        return Step(order, book.finished.popleft() if len(book.finished) > KEPT_ORDERS else None)

    def order(self, order: Order, iso: str) -> Stored:
        """Return an order as order processors store it."""
        return {
            "order_id": order.order_id,
            "ex_order_id": order.order_id,
            "symbol": order.symbol,
            "exchange": order.exchange,
            "side": order.side,
            "order_type": "limit",
            "status": order.status,
            "command": None,
            "reason": None,
            "volume": round(order.volume, 8),
            "final_volume": round(order.filled, 8) or None,
            "price": order.price,
            "plimit": order.price,
            "leverage": None,
            "tick": None,
            "futures": False,
            "bot_id": int(order.account),
            "uid": 1,
            "ex_id": int(order.account),
            "cat_ex_id": None,
            "timestamp": iso,
        }

    def balances(self, account: str, iso: str) -> Stored:
        """Return the balances as collectors store them: account "1" in the one shape they use, "2" in the other."""
        book = self.books[account]
        reserved = sum(o.price * (o.volume - o.filled) for o in book.open if o.side == "buy")
        totals = {_CASH: book.cash}
        for symbol, holding in book.holdings.items():
            currency = symbol.partition("/")[0]
            totals[currency] = totals.get(currency, 0.0) + holding.volume
        stored: Stored = {}
        for currency, total in totals.items():
            used = reserved if currency == _CASH else 0.0
            held, free = round(total, 8), round(total - used, 8)
            if account == "1":
                stored[currency] = {"total": held, "free": free, "used": round(used, 8)}
            else:
                stored[currency] = {"balance": held, "available": free}
        return stored | {"date": iso}

    def positions(self, account: str, now: float, iso: str) -> Stored:
        """Return the positions as account collectors store them."""
        stored: Stored = {
            symbol: {
                "cost": round(holding.cost, 6),
                "volume": round(holding.volume, 8),
                "fee": round(holding.fee, 6),
                "count": 0.0,
                "price": rounded(holding.cost / holding.volume),
                "timestamp": now,
            }
            for symbol, holding in self.books[account].holdings.items()
        }
        return stored | {"timestamp": iso}

    def bot(self, account: str, iso: str) -> Stored:
        """Return the status of the account's bot as bots store it: feed → object."""
        book = self.books[account]
        worth = sum(self._price_of(ACCOUNTS[account], s) * h.volume for s, h in book.holdings.items())
        working = {
            "status": "running" if book.open else "waiting",
            "symbols": sorted({order.symbol for order in book.open}),
            "performance": {"pnl": round(book.cash + worth - _START_CASH, 2)},
            "timestamp": iso,
        }
        return {"0": working, "1": {"status": "paused", "timestamp": iso}}

    def _new_order(self, account: str) -> Order:
        self._count += 1
        exchange, book = ACCOUNTS[account], self.books[account]
        symbol = self._random.choice(self._symbols[exchange])
        price = self._price_of(exchange, symbol)
        holding = book.holdings.get(symbol)
        order_id = f"{exchange[0].upper()}{self._count}"
        idle = not any(order.symbol == symbol for order in book.open)
        if holding is not None and idle and self._random.random() < _SELLS:
            return Order(account, order_id, symbol, "sell", holding.volume, price)
        spent = min(self._random.uniform(200, 2000), book.cash / (2 * OPEN_ORDERS))
        return Order(account, order_id, symbol, "buy", spent / price, price)

    def _advance(self, order: Order) -> None:
        if order.status == "New":
            order.status = "open"
        elif self._random.random() < _CANCELS:
            order.status = (
                "cancelled"  # with two l: the other spelling makes real processors expire the whole hash
            )
        elif order.status == "open" and self._random.random() < _PARTIAL:
            self._fill(order, order.volume * self._random.uniform(0.2, 0.8))
            order.status = "partially_filled"
        else:
            self._fill(order, order.volume - order.filled)
            order.filled, order.status = order.volume, "filled"

    def _fill(self, order: Order, volume: float) -> None:
        book = self.books[order.account]
        cost = volume * order.price
        holding = book.holdings.setdefault(order.symbol, Holding())
        holding.fee += cost * _FEE
        order.filled += volume
        if order.side == "buy":
            holding.volume += volume
            holding.cost += cost
            book.cash -= cost * (1 + _FEE)
            return
        holding.cost -= holding.cost * min(volume / holding.volume, 1.0)
        holding.volume -= volume
        book.cash += cost * (1 - _FEE)
        if holding.volume <= _DUST:
            del book.holdings[order.symbol]
