"""Everything that a demo deployment writes, as Redis commands: what at the start, what each period, what at the end."""

from __future__ import annotations

from itertools import groupby

from cache_streams.demo import writes
from cache_streams.demo.desk import ACCOUNTS, Desk, Step
from cache_streams.demo.market import Market
from cache_streams.demo.services import services
from cache_streams.demo.writes import Command, iso


class Scene:
    """The same commands for the same seed, number of symbols and times (Unix seconds) at which it is asked.

    ``pid`` is the process id that the services report.
    """

    def __init__(self, seed: int, symbols: int, start: float, pid: int) -> None:
        self.market = Market(seed, symbols, start)
        self._desk = Desk(seed, self.market.listings, self.market.price, start)
        self._services = services(start, iso(start), pid)
        self.trade_lists = tuple(
            writes.trade_list(exchange, symbol) for exchange, symbol in self.market.listings
        )

    def opening(self, now: float) -> list[Command]:
        """Return what makes every kind of value exist."""
        commands = [command for service in self._services for command in writes.register(service)]
        for _, series in groupby(self.market.history(now), key=lambda each: (each.symbol, each.timeframe)):
            commands += writes.bars(list(series))
        commands += self.ticks(len(self.market.listings), now)
        commands += self.trading(now)
        commands += self.accounts(now)
        commands += self.bots(now)
        return commands + self.beats(now)

    def ticks(self, count: int, now: float) -> list[Command]:
        """Return ``count`` ticks, the trades behind them and the bars that they close."""
        commands: list[Command] = []
        for _ in range(count):
            move = self.market.move(now)
            if move.trade is not None:
                commands += writes.trade(move.exchange, move.symbol, move.trade, now)
            commands += writes.tick(move.exchange, move.symbol, move.tick)
            for closed in move.closed:
                commands += writes.bars([closed])
        return commands

    def trading(self, now: float) -> list[Command]:
        """Return one step of an order of each account, with the blocks and openings of its bot."""
        return [command for account in ACCOUNTS for command in self._order(self._desk.step(account), now)]

    def accounts(self, now: float) -> list[Command]:
        """Return balances and positions of every account."""
        at = iso(now)
        commands: list[Command] = []
        for account in ACCOUNTS:
            balances, positions = self._desk.balances(account, at), self._desk.positions(account, now, at)
            commands += writes.account(account, balances, positions)
        return commands

    def bots(self, now: float) -> list[Command]:
        """Return the status of every bot."""
        return [
            command
            for account in ACCOUNTS
            for command in writes.bot(account, self._desk.bot(account, iso(now)))
        ]

    def beats(self, now: float) -> list[Command]:
        """Return a sign of life of every service."""
        return [command for service in self._services for command in writes.beat(service, now)]

    def closing(self, now: float) -> list[Command]:
        """Return the good-bye of every service."""
        return [command for service in self._services for command in writes.stop(service, now)]

    def _order(self, step: Step, now: float) -> list[Command]:
        order = step.order
        commands = writes.order(order.exchange, order.order_id, self._desk.order(order, iso(now)))
        if step.forgotten is not None:
            commands += writes.forget_order(order.exchange, step.forgotten.order_id)
        still_open = [other for other in self._desk.books[order.account].open if other.symbol == order.symbol]
        if order.status == "New":
            commands += writes.block(order.exchange, order.symbol, order.account, now)
        elif not still_open:
            commands += writes.opened(order.exchange, order.symbol) + writes.unblock(
                order.exchange, order.symbol
            )
        return commands
