"""Credentials and ownership on the admin site."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts.families import start_family
from accounts.models import ApiKey, Ownership, RevokedToken, TokenFamily, User
from accounts.selectors import token_user
from accounts.tokens import verify_access_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin_client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss@fullon"))
    return client


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann@example.org")


def test_every_list_and_form_opens(admin_client: Client, ann: User) -> None:
    start_family(ann)
    for name in ("user", "ownership", "apikey", "tokenfamily", "revokedtoken"):
        assert admin_client.get(f"/admin/accounts/{name}/").status_code == 200
    for name in ("ownership", "apikey", "revokedtoken"):
        assert admin_client.get(f"/admin/accounts/{name}/add/").status_code == 200
    assert admin_client.get("/admin/accounts/tokenfamily/add/").status_code == 403


def test_a_key_made_there_is_shown_once_and_opens_rest(admin_client: Client, ann: User) -> None:
    form = {"user": ann.pk, "name": "", "description": "", "scopes": "", "is_active": "on"}
    shown = admin_client.post("/admin/accounts/apikey/add/", form, follow=True).content.decode()
    raw = re.search(r"fullon_ak_[\w-]{20,}", shown)
    assert raw is not None
    answer = Client().get("/api/v1/orm/users/me", headers={"X-API-Key": raw[0]})
    assert answer.json()["uid"] == ann.pk
    assert raw[0] not in admin_client.get("/admin/accounts/apikey/").content.decode()


def test_keys_are_deactivated_there(admin_client: Client, ann: User) -> None:
    key = ApiKey.objects.create(user=ann, digest="d", hint="h")
    form = {"action": "deactivate", "_selected_action": [key.pk]}
    admin_client.post("/admin/accounts/apikey/", form)
    key.refresh_from_db()
    assert key.is_active is False


def test_a_login_is_ended_there(admin_client: Client, ann: User) -> None:
    claims = verify_access_token(start_family(ann).access)
    form = {"action": "end", "_selected_action": [TokenFamily.objects.get().pk]}
    admin_client.post("/admin/accounts/tokenfamily/", form)
    assert RevokedToken.objects.get().user_id == ann.pk
    assert token_user(claims) is None


def test_all_tokens_of_a_user_are_ended_there(admin_client: Client, ann: User) -> None:
    claims = verify_access_token(start_family(ann).access)
    admin_client.post("/admin/accounts/user/", {"action": "end_tokens", "_selected_action": [ann.pk]})
    assert token_user(claims) is None
    assert token_user(verify_access_token(start_family(ann).access)) == ann


def test_an_account_is_given_an_owner_there(admin_client: Client, ann: User) -> None:
    form = {"user": ann.pk, "kind": "account", "identifier": "12"}
    admin_client.post("/admin/accounts/ownership/add/", form)
    assert Ownership.objects.get().user_id == ann.pk
    again = admin_client.post("/admin/accounts/ownership/add/", form)
    assert "already exists" in again.content.decode()
