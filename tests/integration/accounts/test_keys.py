"""API keys over REST: made, shown once, used, limited and ended."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.keys import create_key, digest_of, hint_of
from accounts.models import ApiKey, User
from accounts.tokens import issue_access_token

KEYS, ME = "/api/v1/orm/api_keys/me", "/api/v1/orm/users/me"
pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ann@example.org")


@pytest.fixture
def bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue_access_token(user)}"}


def stored(user: User, raw: str, **fields: object) -> ApiKey:
    return ApiKey.objects.create(user=user, digest=digest_of(raw), hint=hint_of(raw), **fields)


def me(client: Client, raw: str, **headers: str) -> int:
    return client.get(ME, headers={"X-API-Key": raw, **headers}).status_code


def deactivate(client: Client, number: int, headers: dict[str, str]) -> int:
    return client.patch(f"{KEYS[:-3]}/{number}/deactivate", headers=headers).status_code


@pytest.mark.parametrize("path", [KEYS, f"{KEYS}/"])
def test_a_new_key_is_shown_whole_once_and_opens_rest(
    client: Client, user: User, bearer: dict[str, str], path: str
) -> None:
    body = {"name": "bot", "description": "of mine", "scopes": "read,write", "expires_at": None}
    answer = client.post(path, body, "application/json", headers=bearer)
    assert answer.status_code == 200
    made = answer.json()
    assert made["key"].startswith("fullon_ak_")
    assert (made["uid"], made["is_active"], made["scopes"], made["name"]) == (
        user.pk,
        True,
        "read,write",
        "bot",
    )
    assert me(client, made["key"]) == 200
    (listed,) = client.get(path, headers=bearer).json()
    assert set(listed) == set(made)
    assert listed["key"] == f"{made['key'][:14]}…"
    assert (listed["api_key_id"], listed["last_used_at"] is None) == (made["api_key_id"], False)


def test_the_key_itself_is_nowhere_in_the_database(user: User) -> None:
    record, raw = create_key(user)
    assert raw not in json.dumps(ApiKey.objects.filter(pk=record.pk).values().get(), default=str)


@pytest.mark.parametrize(
    ("scopes", "kept"),
    [
        ("read,write", "read,write"), ('["read", "write"]', "read,write"), (["read", "read"], "read"),
        ("", ""), (" read , ", "read"),
    ],
)  # fmt: skip
def test_scopes_come_as_a_list_or_a_text(
    client: Client, bearer: dict[str, str], scopes: object, kept: str
) -> None:
    answer = client.post(KEYS, {"scopes": scopes}, "application/json", headers=bearer)
    assert (answer.status_code, answer.json()["scopes"]) == (200, kept)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scopes", "Read"), ("scopes", 7), ("scopes", "[7]"), ("scopes", "["), ("scopes", [1]), ("scopes", "a" * 256),
        ("name", "n" * 151), ("expires_at", "tomorrow"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(client: Client, bearer: dict[str, str], field: str, value: object) -> None:
    answer = client.post(KEYS, {field: value}, "application/json", headers=bearer)
    assert (answer.status_code, list(answer.json().get("errors", {}))) == (422, [field])


@pytest.mark.parametrize("raw", ["0123456789", "x" * 43, "fullon_ak_short", "ключ-десять-знаков"])
def test_keys_of_the_replaced_system_open_rest(client: Client, user: User, raw: str) -> None:
    stored(user, raw)
    assert me(client, raw) == 200


@pytest.mark.parametrize(
    "fields", [{"is_active": False}, {"expires_at": timezone.now() - timedelta(seconds=1)}]
)
def test_a_key_that_ended_opens_nothing(client: Client, user: User, fields: dict[str, object]) -> None:
    stored(user, "0123456789", **fields)
    assert me(client, "0123456789") == 401


@pytest.mark.parametrize("raw", ["", "012345678", "x" * 600, "not a key at all"])
def test_what_is_no_key_opens_nothing(client: Client, user: User, raw: str) -> None:
    stored(user, "012345678")
    assert me(client, raw) == 401


def test_the_key_of_an_inactive_user_opens_nothing(client: Client, user: User) -> None:
    stored(user, "0123456789")
    User.objects.update(is_active=False)
    assert me(client, "0123456789") == 401


def test_a_bad_bearer_token_and_a_good_key_succeed(client: Client, user: User) -> None:
    stored(user, "0123456789")
    assert me(client, "0123456789", Authorization="Bearer x.y.z") == 200


def test_keys_can_be_switched_off(client: Client, user: User, settings: Settings) -> None:
    stored(user, "0123456789")
    settings.ENABLE_API_KEY_AUTH = False
    assert me(client, "0123456789") == 401


def test_the_name_of_the_header_can_be_set(client: Client, user: User, settings: Settings) -> None:
    stored(user, "0123456789")
    settings.API_KEY_HEADER_NAME = "X-Desk-Key"
    assert me(client, "0123456789") == 401
    assert client.get(ME, headers={"X-Desk-Key": "0123456789"}).status_code == 200


def test_use_is_noted_once_a_minute(
    client: Client, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    key = stored(user, "0123456789")
    me(client, "0123456789")
    key.refresh_from_db()
    first = key.last_used_at
    with django_assert_num_queries(2):
        me(client, "0123456789")
    key.refresh_from_db()
    assert first is not None
    assert key.last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    me(client, "0123456789")
    key.refresh_from_db()
    assert key.last_used_at is not None
    assert key.last_used_at >= first


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"), [("read", 200, 403), ("write", 403, 403), ("", 200, 200)]
)
def test_scopes_limit_what_a_key_may_do(
    client: Client, user: User, scopes: str, reads: int, writes: int
) -> None:
    stored(user, "0123456789", scopes=scopes)
    assert me(client, "0123456789") == reads
    answer = client.post(KEYS, {}, "application/json", headers={"X-API-Key": "0123456789"})
    assert answer.status_code == writes


@pytest.mark.parametrize(("wanted", "status"), [("read", 200), ("read,publish", 403), ("", 403)])
def test_a_key_makes_no_key_that_reaches_further(
    client: Client, user: User, wanted: str, status: int
) -> None:
    stored(user, "0123456789", scopes="read,write")
    answer = client.post(KEYS, {"scopes": wanted}, "application/json", headers={"X-API-Key": "0123456789"})
    assert answer.status_code == status


def test_an_own_key_is_deactivated_by_its_id(client: Client, user: User, bearer: dict[str, str]) -> None:
    one, _ = stored(user, "0123456789"), stored(user, "another-key")
    assert deactivate(client, one.pk, bearer) == 200
    assert (me(client, "0123456789"), me(client, "another-key")) == (401, 200)


def test_the_uid_in_place_of_an_id_deactivates_the_key_in_use(client: Client) -> None:
    user = User.objects.create_user("bob@example.org", pk=4711)
    stored(user, "0123456789")
    stored(user, "another-key")
    assert deactivate(client, 4711, {"X-API-Key": "0123456789"}) == 200
    assert (me(client, "0123456789"), me(client, "another-key")) == (401, 200)


def test_the_uid_with_a_token_deactivates_all_own_keys(client: Client) -> None:
    user = User.objects.create_user("bob@example.org", pk=4711)
    keys = ["0123456789", "another-key"]
    for raw in keys:
        stored(user, raw)
    assert deactivate(client, 4711, {"Authorization": f"Bearer {issue_access_token(user)}"}) == 200
    assert [me(client, raw) for raw in keys] == [401, 401]


def test_a_foreign_key_and_none_are_answered_alike(client: Client, bearer: dict[str, str]) -> None:
    foreign = stored(User.objects.create_user("bob@example.org"), "0123456789")
    answers = [
        client.patch(f"{KEYS[:-3]}/{pk}/deactivate", headers=bearer) for pk in (foreign.pk, 10**9, 10**30)
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert me(client, "0123456789") == 200


def test_strangers_see_no_keys(client: Client) -> None:
    assert client.get(KEYS).status_code == 401
