"""What a connection proves itself with: asked for anew each time, sent in a header, never in an address."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

Provider: TypeAlias = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A token, or a function that returns one, at once or later; a function is called for each connection."""


class Credentials:
    """A token or an API key; exactly one of them. ``renewable``: asking again may give another one."""

    def __init__(self, token: Provider | None, api_key: Provider | None) -> None:
        given = token if token is not None else api_key
        if given is None or (token is not None and api_key is not None):
            raise ValueError("pass either token= or api_key=, as a text or as a function that returns one")
        self._given, self._is_token = given, token is not None
        self.renewable = callable(given)

    async def headers(self) -> dict[str, str]:
        """Return the header of a handshake. Raises: whatever the provider raises."""
        credential = await self._ask()
        return {"Authorization": f"Bearer {credential}"} if self._is_token else {"X-API-Key": credential}

    async def fresh_token(self) -> str | None:
        """Return a new token for an open socket; None when there is nobody to ask for one."""
        return await self._ask() if self.renewable and self._is_token else None

    async def _ask(self) -> str:
        answer = self._given() if callable(self._given) else self._given
        return await answer if inspect.isawaitable(answer) else answer
