"""Who runs the command, at which gateway: credentials from the environment, or from an earlier login that renews itself."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cache_streams.client import State, Status, connect
from cache_streams.client.command.exits import Exit, Stopped
from cache_streams.client.command.store import Login, Store
from cache_streams.client.errors import RestFailed
from cache_streams.client.gateway import Gateway
from cache_streams.client.rest import ask
from cache_streams.client.url import rest_url

DEFAULT_URL = "http://localhost:8000"
TOKEN_VARIABLE, KEY_VARIABLE, URL_VARIABLE = "FULLON_TOKEN", "FULLON_API_KEY", "FULLON_URL"
RENEW_BEFORE_S = 30.0
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Session:
    """A gateway's address, and how to prove who is asking."""

    url: str
    store: Store

    @property
    def name(self) -> str:
        """The gateway as the store calls it."""
        return rest_url(self.url, "").rstrip("/")

    @property
    def source(self) -> str:
        """Where the credentials come from, in words; empty when there are none."""
        if os.environ.get(KEY_VARIABLE):
            return f"the key in {KEY_VARIABLE}"
        if os.environ.get(TOKEN_VARIABLE):
            return f"the token in {TOKEN_VARIABLE}"
        login = self.store.get(self.name)
        return f"the login of {login.mail}" if login is not None else ""

    async def token(self) -> str:
        """Return a token that is good for a while, renewed if need be. Raises: Stopped, RestFailed."""
        given = os.environ.get(TOKEN_VARIABLE)
        if given:
            return given
        login = self._login()
        if ends_at(login.access) - time.time() > RENEW_BEFORE_S:
            return login.access
        return await asyncio.to_thread(self._renewed)

    async def headers(self) -> dict[str, str]:
        """Return what proves who is asking over REST. Raises: Stopped, RestFailed."""
        key = os.environ.get(KEY_VARIABLE)
        return {"X-API-Key": key} if key else {"Authorization": f"Bearer {await self.token()}"}

    def gateway(
        self,
        on_state: Callable[[State], None] | None = None,
        on_status: Callable[[Status], None] | None = None,
    ) -> Gateway:
        """Return the gateway, to be opened. Raises: Stopped without credentials."""
        told: dict[str, Any] = {}  # Any: callbacks of two kinds
        told |= {} if on_state is None else {"on_state": on_state}
        told |= {} if on_status is None else {"on_status": on_status}
        key = os.environ.get(KEY_VARIABLE)
        if key:
            return connect(self.url, api_key=key, connect_timeout_s=CONNECT_TIMEOUT_S, **told)
        given = os.environ.get(TOKEN_VARIABLE)
        if not given:
            self._login()
        return connect(self.url, token=given or self.token, connect_timeout_s=CONNECT_TIMEOUT_S, **told)

    def _login(self) -> Login:
        login = self.store.get(self.name)
        if login is None:
            sentence = f"no credentials for {self.name}: run login, or set {TOKEN_VARIABLE} or {KEY_VARIABLE}"
            raise Stopped(Exit.NOT_AUTHORIZED, sentence)
        return login

    def _renewed(self) -> str:
        with self.store.locked():
            login = self._login()  # another process may have renewed it while this one waited
            if ends_at(login.access) - time.time() > RENEW_BEFORE_S:
                return login.access
            try:
                pair = asyncio.run(ask(rest_url(self.url, "/auth/token/refresh"), {"refresh": login.refresh}))
            except RestFailed as refused:
                if refused.status is None or refused.status >= 500:  # noqa: PLR2004  # the server's own faults
                    raise
                raise Stopped(
                    Exit.NOT_AUTHORIZED, f"the login of {login.mail} is over: run login again"
                ) from None
            self.store.put(self.name, Login(login.mail, pair["access"], pair["refresh"]))
            return str(pair["access"])


def ends_at(token: str) -> float:
    """Return when a token ends, Unix seconds, by its own word; 0 when it does not say so in a way that can be read."""
    try:
        part = token.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        return 0.0
