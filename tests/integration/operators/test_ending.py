"""What an operator ends is ended on every worker within a second, and stands in the log of what was done."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.client import ClientConnection

from tests.integration.accounts.live_people import Person, alive, ends, sockets
from tests.integration.operators.operator import Operator, listed
from tests.integration.wire.rpc_client import token_of
from tests.live import LiveServer

WITHIN_S = 1.0
CLOSED = (1013, "try_again_later")
REVOKED = (1008, "auth_revoked")


def id_of(socket: ClientConnection) -> str:
    assert socket.response is not None
    return socket.response.headers["X-Connection-ID"]


async def pressed(operator: Operator, path: str) -> tuple[str, float]:
    """Return the page that follows a button, and when it was pressed."""
    began = time.time()
    return await asyncio.to_thread(operator.press, path), began


async def done(operator: Operator, words: str) -> str:
    return await asyncio.to_thread(operator.page, "/admin/admin/logentry/", q=words)


async def opened_by(stack: AsyncExitStack, person: Person, count: int) -> list[ClientConnection]:
    token = token_of(person.server, person.uid)
    return await sockets(stack, person.server, query=f"token={token}", count=count)


async def test_one_socket_is_closed_and_the_others_stay(
    gateway: LiveServer, operator: Operator, person: Person
) -> None:
    async with AsyncExitStack() as stack:
        one, *others = await opened_by(stack, person, 6)
        text, began = await pressed(operator, f"/admin/live/sockets/{id_of(one)}/close/")
        assert "Closed 1 sockets on 2 workers." in text
        ((code, reason, at),) = await ends([one])
        assert (code, reason) == CLOSED
        assert at - began < WITHIN_S
        await alive(others)
    assert person.mail in await done(operator, f"Closed the socket {id_of(one)}.")


async def test_all_sockets_of_a_user_are_closed_on_both_workers(
    gateway: LiveServer, operator: Operator, person: Person, other: Person
) -> None:
    async with AsyncExitStack() as stack:
        mine, theirs = await opened_by(stack, person, 12), await opened_by(stack, other, 2)
        shown = await asyncio.to_thread(operator.page, f"/admin/live/users/{person.uid}/")
        assert set(listed(shown)) == {id_of(each) for each in mine}
        text, began = await pressed(operator, f"/admin/live/users/{person.uid}/close/")
        assert "Closed 12 sockets on 2 workers." in text
        for code, reason, at in await ends(mine):
            assert (code, reason) == CLOSED
            assert at - began < WITHIN_S
        await alive(theirs)
    assert person.mail in await done(operator, "Closed 12 sockets")


async def test_what_opened_a_socket_is_revoked_with_all_its_sockets(
    gateway: LiveServer, operator: Operator, person: Person
) -> None:
    tokens = [(await asyncio.to_thread(person.log_in))["access"] for _ in range(2)]
    async with AsyncExitStack() as stack:
        mine = await sockets(stack, gateway, query=f"token={tokens[0]}", count=6)
        others = await sockets(stack, gateway, query=f"token={tokens[1]}", count=2)
        text, began = await pressed(operator, f"/admin/live/sockets/{id_of(mine[0])}/revoke/")
        assert "Revoked what opened the socket" in text
        for code, reason, at in await ends(mine):
            assert (code, reason) == REVOKED
            assert at - began < WITHIN_S
        await alive(others)
    assert person.mail in await done(operator, f"Revoked what opened the socket {id_of(mine[0])}")


async def test_a_key_is_revoked_from_the_socket_that_it_opened(
    gateway: LiveServer, operator: Operator, person: Person
) -> None:
    key = (await asyncio.to_thread(person.key))["key"]
    async with AsyncExitStack() as stack:
        (mine,) = await sockets(stack, gateway, headers={"X-API-Key": key})
        shown = await asyncio.to_thread(operator.page, f"/admin/live/sockets/{id_of(mine)}/")
        assert "an API key" in shown
        assert key not in shown
        await pressed(operator, f"/admin/live/sockets/{id_of(mine)}/revoke/")
        ((code, reason, _),) = await ends([mine])
        assert (code, reason) == REVOKED


async def test_a_token_that_names_nothing_is_said_to_be_irrevocable_alone(
    gateway: LiveServer, operator: Operator, person: Person
) -> None:
    async with AsyncExitStack() as stack:
        (mine,) = await opened_by(stack, person, 1)
        text, _ = await pressed(operator, f"/admin/live/sockets/{id_of(mine)}/revoke/")
        assert "cannot be revoked alone" in text
        await alive([mine])


@pytest.mark.parametrize("verb", ["close", "revoke"])
async def test_a_socket_that_has_gone_is_said_to_have_gone(operator: Operator, verb: str) -> None:
    text, _ = await pressed(operator, f"/admin/live/sockets/c-0000000000000000/{verb}/")
    assert "is not open any more" in text


async def test_a_deactivated_user_is_out_within_a_second(
    gateway: LiveServer, operator: Operator, person: Person
) -> None:
    async with AsyncExitStack() as stack:
        mine = await opened_by(stack, person, 6)
        began = time.time()
        token = operator.client.cookies["csrftoken"]
        form = {"action": "deactivate", "_selected_action": person.uid, "csrfmiddlewaretoken": token}
        answer = await asyncio.to_thread(operator.client.post, "/admin/accounts/user/", data=form)
        assert answer.status_code == 302
        for code, _, at in await ends(mine):
            assert code == 1008
            assert at - began < WITHIN_S
    assert person.mail in await done(operator, "Deactivated.")
