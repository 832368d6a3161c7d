"""What a socket of the agents family asks about runs: with the rights of the moment, through the services of everybody."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from channels.db import database_sync_to_async
from django.conf import settings

from cache_streams.agents import bodies, selectors, services, wire
from cache_streams.agents.models import AgentRun
from cache_streams.agents.refusals import forbidden, run_not_found
from cache_streams.agents.rights import RECENT, Caller
from cache_streams.agents.runner import loop_runs
from cache_streams.authentication import AuthenticationRefused, Login, login_of
from cache_streams.protocol.agents.requests import BadFrame, Request, as_query, asked_text, text_param
from cache_streams.protocol.strict_json import Json
from cache_streams.recent import AuthenticationUnavailable

Result = Mapping[str, Json]
Answer = TypeVar("Answer")
_WRITING = frozenset({"start_run", "publish", "cancel_run", "run_agent"})


class AgentRequests:
    """Requests of one socket; ``login`` is asked for each of them."""

    def __init__(self, login: Callable[[], Login]) -> None:
        self._login = login

    async def answer(self, request: Request) -> Result:
        """Do what is asked. Raises: AgentRefused, BadFrame, ``django.db.Error``."""
        scopes = self._login().scopes
        if scopes and request.action in _WRITING and "write" not in scopes:
            raise forbidden()
        if request.action == "run_agent":
            return await self._run_agent(request.params)
        work: Callable[[Caller, Mapping[str, Json]], Result] = getattr(self, f"_{request.action}")
        return await self.asking(lambda caller: work(caller, request.params))

    async def asking(self, work: Callable[[Caller], Answer]) -> Answer:
        """Return what ``work`` returns, done by the user as the database knows them, in its thread."""
        return await database_sync_to_async(lambda: work(self._caller()))()

    def _caller(self) -> Caller:
        """Return the user with what their tokens leave of their rights. Raises: AgentRefused (FORBIDDEN)."""
        login = self._login()
        claims = [frozenset(token.permissions) for token in login.tokens if token.permissions is not None]
        claimed = frozenset.intersection(*claims) if claims else None
        caller = RECENT.caller(login.identity.user_id, claimed)
        if caller is None:
            raise forbidden()
        return caller

    def _list_runs(self, caller: Caller, params: Mapping[str, Json]) -> Result:
        query = bodies.read_run_query(as_query(params))
        runs = selectors.runs_of(reading(caller).user_id, **query)
        return {"runs": [bodies.run(run) for run in runs]}

    def _get_events(self, caller: Caller, params: Mapping[str, Json]) -> Result:
        run = own_run(caller, run_id_of(params))
        query = bodies.read_page_query(as_query(params), "after_seq")
        events = selectors.events_of_run(caller.user_id, run.pk, query.after, query.limit)
        form: Any = settings.AGENTS_WIRE_FORM  # Any: the settings allow the forms only
        return bodies.events_of(run.pk, run.last_seq, query.after, events, form)

    def _start_run(self, caller: Caller, params: Mapping[str, Json]) -> Result:
        return bodies.started(services.start_run(caller, wire.read_start(params)))

    def _publish(self, caller: Caller, params: Mapping[str, Json]) -> Result:
        event = wire.read_event(params.get("event"))
        return bodies.appended(services.append_events(caller, run_id_of(params), [event]))

    def _cancel_run(self, caller: Caller, params: Mapping[str, Json]) -> Result:
        return bodies.appended(services.cancel_run(caller, run_id_of(params)))

    async def _run_agent(self, params: Mapping[str, Json]) -> Result:
        text, thread_id = asked_text(params), text_param(params, "thread_id")
        run_id = text_param(params, "run_id")
        caller = await self.asking(lambda known: known)
        started = await loop_runs().launch(caller, text, thread_id=thread_id, run_id=run_id)
        return bodies.started(started)


async def fresh_login(params: Mapping[str, Json], opened: Login) -> Login:
    """Return whom the token of a request proves. Raises: BadFrame.

    What the key of ``opened`` did not allow, a token does not allow later.
    """
    token = params.get("token")
    if not isinstance(token, str):
        raise BadFrame("INVALID_PARAMS", "token is required")
    try:
        login = await login_of(token)
    except AuthenticationRefused as refused:
        raise BadFrame(refused.code, "The token does not verify.") from None  # a cause might quote it
    except AuthenticationUnavailable:
        raise BadFrame("INTERNAL_ERROR", "Users cannot be looked up now.") from None
    return dataclasses.replace(login, scopes=opened.scopes, key_ids=opened.key_ids)


def run_id_of(params: Mapping[str, Json]) -> str:
    """Return the run that a request is about. Raises: BadFrame."""
    run_id = text_param(params, "run_id")
    if run_id is None:
        raise BadFrame("INVALID_PARAMS", "run_id is required")
    return run_id


def reading(caller: Caller) -> Caller:
    """Return the caller, if they may read their own runs. Raises: AgentRefused (FORBIDDEN)."""
    if not caller.may("read"):
        raise forbidden()
    return caller


def own_run(caller: Caller, run_id: str) -> AgentRun:
    """Return one of the caller's runs. Raises: AgentRefused (RUN_NOT_FOUND, alike for unknown and foreign ones; FORBIDDEN)."""
    run = selectors.run_of(reading(caller).user_id, run_id)
    if run is None:
        raise run_not_found()
    return run
