"""Tickets and keys where their stores are away or hold something odd."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import redis
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from accounts.tickets import Ticket, TicketsUnavailable, issue_ticket, parse_ticket, ticket_key
from accounts.tokens import issue_access_token
from cache_streams.authentication import AuthenticationRefused, authenticate
from cache_streams.carriers import CarrierRefused, Offer, carried_key, carried_ticket
from cache_streams.connections import close_shared_redis
from cache_streams.recent import AuthenticationUnavailable

NO_OFFER = Offer(None, browser=False, offered=())


@pytest.fixture
def away(settings: Settings) -> Iterator[None]:
    """A Redis that nobody is behind."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.REDIS_URL = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
        yield


@pytest.mark.django_db
def test_without_redis_there_is_no_ticket_and_the_answer_says_so(client: Client, away: None) -> None:
    token = issue_access_token(User.objects.create_user("ann@example.org"))
    answer = client.post(
        "/api/v1/auth/ticket", {}, "application/json", headers={"Authorization": f"Bearer {token}"}
    )
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "Redis" in answer.json()["detail"]


def test_a_ticket_that_cannot_be_stored_is_not_given_out(away: None) -> None:
    with pytest.raises(TicketsUnavailable):
        issue_ticket(Ticket(1, None))


async def test_without_redis_a_ticket_is_our_fault_and_not_invalid(away: None) -> None:
    with pytest.raises(AuthenticationUnavailable):
        await authenticate({"query_string": b"ticket=t", "headers": []}, NO_OFFER)
    await close_shared_redis()


async def test_an_unknown_ticket_is_invalid() -> None:
    with pytest.raises(AuthenticationRefused, match="AUTH_INVALID"):
        await authenticate({"query_string": b"ticket=unknown", "headers": []}, NO_OFFER)
    await close_shared_redis()


@pytest.mark.parametrize(
    "ticket",
    [
        Ticket(1, 5.5, ("read",), jti="j", family="f", issued_at=2.25),
        Ticket(1, None, key_id=3),
        Ticket(2, 9.0),
    ],
)
def test_a_ticket_is_read_as_it_was_stored(ticket: Ticket, redis_url: str) -> None:
    raw = issue_ticket(ticket)
    with redis.Redis.from_url(redis_url) as client:
        stored = client.getdel(ticket_key(raw))
    assert isinstance(stored, bytes)
    assert parse_ticket(stored) == ticket


def test_a_ticket_of_a_token_ends_as_the_token_does() -> None:
    claims = Ticket(1, 5.5, jti="j", family="f", issued_at=2.25).claims
    assert claims is not None
    assert (claims.expires_at, claims.issued_at, claims.revocable_ids) == (5.5, 2.25, ("j", "f"))
    assert Ticket(1, None, key_id=3).claims is None


@pytest.mark.parametrize(
    ("query", "ticket"), [(b"", None), (b"ticket=", None), (b"ticket=a", "a"), (b"ticket=a&ticket=a", "a")]
)
def test_one_ticket_is_carried(query: bytes, ticket: str | None) -> None:
    assert carried_ticket({"query_string": query}) == ticket


@pytest.mark.parametrize("query", [b"ticket=a&ticket=b", b"&".join(b"x=1" for _ in range(100))])
def test_two_tickets_or_too_much_beside_are_refused(query: bytes) -> None:
    with pytest.raises(CarrierRefused):
        carried_ticket({"query_string": query})


@pytest.mark.parametrize(
    ("sent", "key"),
    [([], None), ([b""], None), ([b"k"], "k"), ([b"k", b"k"], "k")],
)
def test_one_key_is_carried(sent: list[bytes], key: str | None) -> None:
    scope = {"headers": [(b"x-desk-key", value) for value in sent]}
    assert carried_key(scope, "X-Desk-Key") == key
    assert carried_key(scope, "X-API-Key") is None


def test_two_keys_are_a_conflict() -> None:
    with pytest.raises(CarrierRefused, match="AUTH_CONFLICT"):
        carried_key({"headers": [(b"x-api-key", b"a"), (b"x-api-key", b"b")]}, "X-API-Key")
