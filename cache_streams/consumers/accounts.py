"""Accounts: balances and positions of the RPC family, and the push socket of one account's balances."""

from __future__ import annotations

from cache_streams.consumers.rpc import Feed, Result, RpcConsumer
from cache_streams.protocol.push import BALANCE_PUSH
from cache_streams.protocol.rpc.account_results import balance_result, balances_result, positions_result
from cache_streams.protocol.rpc.queries import AccountQuery, BalanceQuery, PositionsQuery
from cache_streams.protocol.rpc.renditions import BALANCE_UPDATES, POSITION_UPDATES
from cache_streams.sources import cache
from cache_streams.streams.accounts import ACCOUNTS, Account
from cache_streams.streams.positions import POSITIONS, Positions


class AccountActions(RpcConsumer):
    """What can be asked about accounts; those of others do not exist."""

    async def get_balance(self, query: BalanceQuery) -> Result | None:
        account = await self._account(query.account)
        return None if account is None else balance_result(account, query, self.now())

    async def get_balances(self, query: AccountQuery) -> Result | None:
        account = await self._account(query.account)
        return None if account is None else balances_result(account, self.now())

    async def get_positions(self, query: PositionsQuery) -> Result:
        account = None if query.account is None else str(query.account)
        records = await cache.positions(account)
        held = [r.value for r in records if isinstance(r.value, Positions) and self.may_see(POSITIONS, r.key)]
        return positions_result(held, query)

    async def stream_balances(self, query: AccountQuery) -> Feed:
        return Feed(ACCOUNTS, [(str(query.account),)], BALANCE_UPDATES)

    async def stream_positions(self, query: PositionsQuery) -> Feed:
        under = () if query.account is None else (str(query.account),)
        return Feed(POSITIONS, [under], POSITION_UPDATES)

    async def _account(self, account: int) -> Account | None:
        record = await cache.account(str(account))
        if record is None or not isinstance(record.value, Account) or not self.may_see(ACCOUNTS, record.key):
            return None
        return record.value


class AccountsConsumer(AccountActions):
    """One socket of ``/ws/accounts/{connection_id}``."""

    domain = "accounts"


class BalancesConsumer(AccountActions):
    """One socket of ``/ws/balances/{account}``: pushes its balances; what it asks, the accounts domain answers."""

    domain = "accounts"

    async def opened(self) -> None:
        await super().opened()
        self.join(ACCOUNTS, (self.connection_id,), BALANCE_PUSH)
