"""Answers of the database, kept for a few seconds: a crowd that asks the same costs one query."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError

CACHED_S = 5.0
CACHED_ANSWERS = 10_000

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")


class AuthenticationUnavailable(Exception):
    """The user store, or the store of tickets, does not answer: our fault, never "invalid"."""


class Recent(Generic[Question, Answer]):
    """Answers of the database, for a few seconds each; news drop them at once."""

    def __init__(self) -> None:
        self._known: OrderedDict[Question, tuple[float, Answer]] = OrderedDict()
        self._asked: dict[Question, asyncio.Future[Answer]] = {}
        self._forgotten = 0

    async def get(self, question: Question, ask_database: Callable[[], Answer]) -> Answer:
        """Return the answer to ``question``; who asks while another does waits for the same answer.

        Raises: AuthenticationUnavailable.
        """
        known = self._known.get(question)
        if known is not None and known[0] >= time.monotonic() - CACHED_S:
            return known[1]
        asked = self._asked.get(question)
        if asked is None or asked.done() or asked.get_loop() is not asyncio.get_running_loop():
            asked = self._asked[question] = asyncio.ensure_future(self._ask(question, ask_database))
        return await asyncio.shield(asked)  # whoever asked first may be gone before the others

    async def _ask(self, question: Question, ask_database: Callable[[], Answer]) -> Answer:
        asked_at, forgotten = time.monotonic(), self._forgotten
        try:
            answer = await database_sync_to_async(ask_database)()
        except DatabaseError as error:
            raise AuthenticationUnavailable from error
        finally:
            if self._asked.get(question) is asyncio.current_task():
                del self._asked[question]
        if forgotten == self._forgotten:  # otherwise it may be older than the news
            self._known[question] = (asked_at, answer)
            self._known.move_to_end(question)
            if len(self._known) > CACHED_ANSWERS:
                self._known.popitem(last=False)
        return answer

    def forget(self, question: Question | None = None) -> None:
        """Ask anew the next time: one question, or all of them."""
        self._forgotten += 1
        if question is None:
            self._known.clear()
            self._asked.clear()
        else:
            self._known.pop(question, None)
            self._asked.pop(question, None)
