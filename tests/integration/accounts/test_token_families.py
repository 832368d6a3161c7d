"""Pairs of tokens over REST: rotation, reuse, logout, and what a new password ends."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.families import CLEANED_AT_ONCE, start_family
from accounts.hashers import stored_form
from accounts.models import RevokedToken, TokenFamily, User
from accounts.tokens import issue_access_token, verify_access_token
from tests.conftest import TokenFactory

TOKEN, REFRESH, LOGOUT = "/api/v1/auth/token/", "/api/v1/auth/token/refresh/", "/api/v1/auth/logout/"
ME = "/api/v1/orm/users/me"
PASSWORD = "correct horse"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ann@example.org", PASSWORD)


def pair(client: Client, **body: str) -> dict[str, str]:
    answer = client.post(TOKEN, body or {"mail": "ann@example.org", "password": PASSWORD}, "application/json")
    assert answer.status_code == 200, answer.content
    told: dict[str, str] = answer.json()
    return told


def refresh(client: Client, token: str) -> tuple[int, dict[str, str]]:
    answer = client.post(REFRESH, {"refresh": token}, "application/json")
    return answer.status_code, answer.json()


def me(client: Client, access: str) -> int:
    return client.get(ME, headers={"Authorization": f"Bearer {access}"}).status_code


@pytest.mark.parametrize("name", ["mail", "username"])
def test_mail_and_password_get_a_pair_whose_access_token_opens_rest(
    client: Client, user: User, name: str
) -> None:
    told = pair(client, **{name: "ANN@example.org", "password": PASSWORD})
    assert set(told) == {"access", "refresh"}
    assert me(client, told["access"]) == 200


def test_a_wrong_password_gets_what_simplejwt_answers(client: Client, user: User) -> None:
    answer = client.post(TOKEN, {"mail": user.mail, "password": "x"}, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (401, "no_active_account")


@pytest.mark.parametrize("body", [{}, {"password": "x"}, {"mail": "a@b"}, {"mail": "", "password": "x"}, []])
def test_a_missing_name_or_password_is_named(client: Client, body: object) -> None:
    assert client.post(TOKEN, body, "application/json").status_code == 422


def test_a_refresh_token_opens_nothing(client: Client, user: User) -> None:
    assert me(client, pair(client)["refresh"]) == 401


def test_an_access_token_refreshes_nothing(client: Client, user: User) -> None:
    status, told = refresh(client, pair(client)["access"])
    assert (status, told["code"]) == (401, "token_not_valid")


def test_a_refresh_token_gets_the_next_pair_once(client: Client, user: User) -> None:
    first = pair(client)
    status, second = refresh(client, first["refresh"])
    assert (status, me(client, second["access"]), me(client, first["access"])) == (200, 200, 200)
    assert refresh(client, second["refresh"])[0] == 200


def test_reuse_ends_the_whole_family_access_tokens_included(client: Client, user: User) -> None:
    first = pair(client)
    second = refresh(client, first["refresh"])[1]
    assert refresh(client, first["refresh"])[0] == 401
    assert refresh(client, second["refresh"])[0] == 401
    assert [me(client, told["access"]) for told in (first, second)] == [401, 401]


def test_reuse_leaves_other_logins_of_the_user_alone(client: Client, user: User) -> None:
    stolen, other = pair(client), pair(client)
    refresh(client, stolen["refresh"])
    refresh(client, stolen["refresh"])
    assert (refresh(client, other["refresh"])[0], me(client, other["access"])) == (200, 200)


def test_a_logout_ends_the_token_and_its_family(client: Client, user: User) -> None:
    told = pair(client)
    answer = client.post(LOGOUT, headers={"Authorization": f"Bearer {told['access']}"})
    assert (answer.status_code, answer.json()) == (200, {})
    assert (me(client, told["access"]), refresh(client, told["refresh"])[0]) == (401, 401)


def test_a_logout_by_the_refresh_token_ends_the_access_token_too(client: Client, user: User) -> None:
    told = pair(client)
    assert client.post(LOGOUT, {"refresh": told["refresh"]}, "application/json").status_code == 200
    assert me(client, told["access"]) == 401


def test_a_logout_of_a_token_without_a_family_ends_that_token_alone(client: Client, user: User) -> None:
    one, other = issue_access_token(user), issue_access_token(user)
    assert client.post(LOGOUT, headers={"Authorization": f"Bearer {one}"}).status_code == 200
    assert client.post(LOGOUT, headers={"Authorization": f"Bearer {one}"}).status_code == 200
    assert (me(client, one), me(client, other)) == (401, 200)


@pytest.mark.parametrize("jti", ["x" * 300, "nul\x00", "ünïcode", "j" * 255])
def test_a_foreign_id_however_odd_can_be_revoked(
    client: Client, user: User, token: TokenFactory, jti: str
) -> None:
    foreign, other = token(user.pk, jti=jti), token(user.pk, jti=f"{jti}other")
    assert client.post(LOGOUT, headers={"Authorization": f"Bearer {foreign}"}).status_code == 200
    assert (me(client, foreign), me(client, other)) == (401, 200)


def test_a_logout_of_a_token_that_nobody_can_revoke_says_so(
    client: Client, user: User, token: TokenFactory
) -> None:
    answer = client.post(LOGOUT, headers={"Authorization": f"Bearer {token(user.pk)}"})
    assert (answer.status_code, "jti" in answer.json()["detail"]) == (400, True)


def test_a_logout_without_any_token_is_401(client: Client) -> None:
    assert client.post(LOGOUT).status_code == 401


def test_a_token_that_ends_beyond_the_calendar_can_be_revoked(
    client: Client, user: User, token: TokenFactory
) -> None:
    eternal = token(user.pk, jti="j", exp=10**13)
    assert client.post(LOGOUT, headers={"Authorization": f"Bearer {eternal}"}).status_code == 200
    assert me(client, eternal) == 401


def test_nobody_can_end_the_family_of_somebody_else(client: Client, user: User, token: TokenFactory) -> None:
    told = pair(client)
    family = verify_access_token(told["access"]).family
    other = User.objects.create_user("bob@example.org")
    forged = token(other.pk, jti="j", sid=family)
    client.post(LOGOUT, headers={"Authorization": f"Bearer {forged}"})
    assert (me(client, told["access"]), refresh(client, told["refresh"])[0]) == (200, 200)


def test_a_new_password_ends_tokens_and_families_that_were_before(client: Client, user: User) -> None:
    told = pair(client)
    user.set_password("another horse")
    user.save()
    assert (me(client, told["access"]), refresh(client, told["refresh"])[0]) == (401, 401)
    assert me(client, pair(client, mail=user.mail, password="another horse")["access"]) == 200


def test_a_password_that_is_taken_away_ends_tokens_too(client: Client, user: User) -> None:
    access = issue_access_token(user)
    user.set_unusable_password()
    user.save(update_fields=["password"])
    assert me(client, access) == 401


def test_a_login_that_replaces_an_old_hash_ends_nothing(client: Client) -> None:
    import bcrypt

    old = stored_form(bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode())
    user = User.objects.create(mail="ann@example.org", password=old)
    access = issue_access_token(user)
    pair(client)
    user.refresh_from_db()
    assert (user.password.startswith("argon2"), me(client, access)) == (True, 200)


@pytest.mark.parametrize(("lifetime_s", "status"), [(3600, 401), (86_500, 200)])
def test_a_token_without_a_time_counts_as_issued_a_day_before_its_end(
    client: Client, user: User, token: TokenFactory, lifetime_s: int, status: int
) -> None:
    access = token(user.pk, exp=int(timezone.now().timestamp()) + lifetime_s)
    user.set_password("another horse")
    user.save()
    assert me(client, access) == status


def test_an_inactive_user_refreshes_nothing(client: Client, user: User) -> None:
    told = pair(client)
    User.objects.update(is_active=False)
    assert refresh(client, told["refresh"])[0] == 401


def test_rows_past_their_time_are_taken_along(user: User) -> None:
    past = timezone.now() - timedelta(seconds=1)
    TokenFamily.objects.bulk_create(
        TokenFamily(user=user, jti=uuid.uuid4().hex, expires_at=past) for _ in range(CLEANED_AT_ONCE + 5)
    )
    start_family(user)
    assert TokenFamily.objects.filter(expires_at__lte=past).count() == 5


def test_a_revocation_is_kept_once(client: Client, user: User) -> None:
    access = issue_access_token(user)
    for _ in range(2):
        client.post(LOGOUT, headers={"Authorization": f"Bearer {access}"})
    assert RevokedToken.objects.count() == 1
