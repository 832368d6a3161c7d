"""Keys and tickets at the handshake of a live gateway: what they open, once, and with what beside them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from contextlib import AsyncExitStack

import pytest
from redis import Redis
from websockets.exceptions import InvalidStatus

from tests.integration.accounts.live_people import Person, alive, new_person, sockets
from tests.live import LiveServer


@pytest.fixture
async def ann(live_server_process: LiveServer) -> Person:
    return await new_person(live_server_process)


async def refusal(server: LiveServer, *, query: str = "", **headers: str) -> tuple[int, str]:
    async with AsyncExitStack() as stack:
        with pytest.raises(InvalidStatus) as refused:
            await sockets(stack, server, query=query, headers=headers)
    body = json.loads(bytes(refused.value.response.body or b""))
    return refused.value.response.status_code, body["error_code"]


async def opens(server: LiveServer, *, query: str = "", **headers: str) -> None:
    async with AsyncExitStack() as stack:
        await alive(await sockets(stack, server, query=query, headers=headers))


async def test_a_ticket_opens_one_socket(ann: Person) -> None:
    ticket = ann.ticket()
    await opens(ann.server, query=f"ticket={ticket}")
    assert await refusal(ann.server, query=f"ticket={ticket}") == (401, "AUTH_INVALID")


async def test_of_many_that_come_at_once_with_one_ticket_one_is_let_in(ann: Person) -> None:
    ticket = ann.ticket()

    async def attempt() -> bool:
        try:
            await opens(ann.server, query=f"ticket={ticket}")
        except InvalidStatus:
            return False
        return True

    assert sum(await asyncio.gather(*(attempt() for _ in range(8)))) == 1


async def test_redis_holds_a_ticket_for_thirty_seconds_and_only_its_hash(ann: Person) -> None:
    ticket = ann.ticket()
    key = f"gw:ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"
    with Redis.from_url(ann.server.redis_url) as redis:
        assert 25 < redis.ttl(key) <= 30
        assert ticket.encode() not in (redis.get(key) or b"")
        assert not [name for name in redis.scan_iter() if ticket.encode() in name]
        redis.pexpire(key, 1)
        deadline = time.monotonic() + 5
        while redis.exists(key) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
    assert await refusal(ann.server, query=f"ticket={ticket}") == (401, "AUTH_INVALID")


@pytest.mark.parametrize(("ticket", "code"), [("unknown", "AUTH_INVALID"), ("x" * 129, "AUTH_MALFORMED")])
async def test_what_is_no_ticket_is_refused(live_server_process: LiveServer, ticket: str, code: str) -> None:
    assert await refusal(live_server_process, query=f"ticket={ticket}") == (401, code)


async def test_two_tickets_are_a_conflict(ann: Person) -> None:
    assert await refusal(ann.server, query="ticket=a&ticket=b") == (401, "AUTH_CONFLICT")


async def test_a_ticket_needs_a_login(ann: Person) -> None:
    assert ann.post("/auth/ticket/").status_code == 401


async def test_a_ticket_ends_with_the_token_that_asked_for_it(ann: Person) -> None:
    bearer = ann.bearer()
    ticket = ann.ticket(**bearer)
    assert ann.post("/auth/logout/", **bearer).status_code == 200
    assert await refusal(ann.server, query=f"ticket={ticket}") == (401, "AUTH_INVALID")


async def test_a_ticket_ends_with_the_key_that_asked_for_it(ann: Person) -> None:
    record = ann.key(scopes="read")
    ticket = ann.ticket(**{"X-API-Key": record["key"]})
    await opens(ann.server, query=f"ticket={ann.ticket(**{'X-API-Key': record['key']})}")
    assert ann.patch(f"/orm/api_keys/{record['api_key_id']}/deactivate", **ann.bearer()).status_code == 200
    assert await refusal(ann.server, query=f"ticket={ticket}") == (401, "AUTH_INVALID")


async def test_a_ticket_of_another_scope_opens_no_socket(ann: Person) -> None:
    assert await refusal(ann.server, query=f"ticket={ann.ticket('publish')}") == (403, "FORBIDDEN")


async def test_a_key_gets_no_ticket_beyond_its_scopes(ann: Person) -> None:
    key = {"X-API-Key": ann.key(scopes="read")["key"]}
    assert ann.post("/auth/ticket/", {"scope": "publish"}, **key).status_code == 403


async def test_a_key_opens_sockets(ann: Person) -> None:
    await opens(ann.server, **{"X-API-Key": ann.key()["key"]})


async def test_a_key_that_may_not_read_opens_none(ann: Person) -> None:
    key = ann.key(scopes="publish")["key"]
    assert await refusal(ann.server, **{"X-API-Key": key}) == (403, "FORBIDDEN")


@pytest.mark.parametrize("key", ["fullon_ak_unknown", "short"])
async def test_what_is_no_key_is_refused(live_server_process: LiveServer, key: str) -> None:
    assert await refusal(live_server_process, **{"X-API-Key": key}) == (401, "AUTH_INVALID")


async def test_carriers_of_one_user_agree(ann: Person) -> None:
    both = {"X-API-Key": ann.key()["key"], **ann.bearer()}
    await opens(ann.server, query=f"ticket={ann.ticket()}", **both)


async def test_carriers_of_two_users_are_refused(ann: Person) -> None:
    bob = await new_person(ann.server)
    key, bearer, ticket = {"X-API-Key": ann.key()["key"]}, bob.bearer(), f"ticket={bob.ticket()}"
    assert await refusal(ann.server, **key, **bearer) == (401, "AUTH_CONFLICT")
    assert await refusal(ann.server, query=ticket, **key) == (401, "AUTH_CONFLICT")


async def test_a_bad_token_is_not_saved_by_a_good_key_on_sockets(ann: Person) -> None:
    headers = {"X-API-Key": ann.key()["key"], "Authorization": "Bearer aaaa.bbbb.cccc"}
    assert await refusal(ann.server, **headers) == (401, "AUTH_INVALID")


async def test_a_key_that_ends_closes_its_socket(ann: Person) -> None:
    from datetime import UTC, datetime, timedelta

    from tests.integration.accounts.live_people import ends

    expires_at = datetime.now(UTC) + timedelta(seconds=3)
    key = ann.key(expires_at=expires_at.isoformat())["key"]
    async with AsyncExitStack() as stack:
        opened = await sockets(stack, ann.server, headers={"X-API-Key": key})
        ((code, reason, ended_at),) = await ends(opened)
    assert (code, reason) == (1008, "Token expired")
    assert -0.1 < ended_at - expires_at.timestamp() < 1.0
