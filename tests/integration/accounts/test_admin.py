"""Credentials and ownership on the admin site."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
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


def test_the_answer_with_a_new_key_is_kept_by_nobody(admin_client: Client, ann: User) -> None:
    form = {"user": ann.pk, "name": "", "description": "", "scopes": "", "is_active": "on"}
    answer = admin_client.post("/admin/accounts/apikey/add/", form)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert "messages" not in answer.cookies


def test_a_key_stays_with_its_owner(admin_client: Client, ann: User) -> None:
    key = ApiKey.objects.create(user=ann, digest="d", hint="h")
    bob = User.objects.create_user("bob@example.org")
    form = {"user": bob.pk, "name": "renamed", "description": "", "scopes": "", "is_active": "on"}
    admin_client.post(f"/admin/accounts/apikey/{key.pk}/change/", form)
    key.refresh_from_db()
    assert (key.user_id, key.name) == (ann.pk, "renamed")


def test_pages_run_no_script_but_the_gateways_own(admin_client: Client) -> None:
    answer = admin_client.get("/admin/")
    assert "script-src 'self' 'unsafe-eval';" in answer["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=\"/static/)", answer.content.decode())


@pytest.mark.parametrize(
    ("action", "words"),
    [("end_tokens", "Ended all tokens"), ("deactivate", "Deactivated."), ("activate", "Activated.")],
)
def test_what_is_done_to_chosen_users_is_noted(
    admin_client: Client, ann: User, action: str, words: str
) -> None:
    User.objects.filter(pk=ann.pk).update(is_active=action != "activate")
    admin_client.post("/admin/accounts/user/", {"action": action, "_selected_action": [ann.pk]})
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.user.mail) == (str(ann.pk), "boss@fullon")
    assert words in entry.change_message


def test_ended_keys_and_logins_are_noted(admin_client: Client, ann: User) -> None:
    key = ApiKey.objects.create(user=ann, digest="d", hint="h")
    start_family(ann)
    family = TokenFamily.objects.get()
    admin_client.post("/admin/accounts/apikey/", {"action": "deactivate", "_selected_action": [key.pk]})
    admin_client.post("/admin/accounts/tokenfamily/", {"action": "end", "_selected_action": [family.pk]})
    noted = {(entry.object_id, entry.change_message) for entry in LogEntry.objects.all()}
    assert noted == {(str(key.pk), "Revoked the key."), (str(family.pk), "Ended the login.")}


def test_nobody_deactivates_themselves(admin_client: Client) -> None:
    boss = User.objects.get()
    admin_client.post("/admin/accounts/user/", {"action": "deactivate", "_selected_action": [boss.pk]})
    boss.refresh_from_db()
    assert boss.is_active


@pytest.fixture
def clerk_client() -> Client:
    """Staff who may change users and keys, and is no superuser."""
    clerk = User.objects.create_user("clerk@fullon", is_staff=True)
    names = ("view_user", "change_user", "add_apikey", "view_apikey", "change_apikey")
    clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(clerk)
    return client


def test_a_clerk_makes_nobody_a_superuser(clerk_client: Client, ann: User) -> None:
    form = {"mail": "ann@new.org", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    clerk_client.post(f"/admin/accounts/user/{ann.pk}/change/", form)
    ann.refresh_from_db()
    assert (ann.mail, ann.is_staff, ann.is_superuser) == ("ann@new.org", False, False)


@pytest.mark.parametrize("action", ["deactivate", "end_tokens"])
def test_a_clerk_touches_no_superuser(clerk_client: Client, action: str) -> None:
    boss = User.objects.create_superuser("boss@fullon")
    clerk_client.post("/admin/accounts/user/", {"action": action, "_selected_action": [boss.pk]})
    assert clerk_client.get(f"/admin/accounts/user/{boss.pk}/password/").status_code == 403
    boss.refresh_from_db()
    assert (boss.is_active, boss.tokens_valid_from) == (True, None)


def test_a_clerk_makes_no_keys_of_staff(clerk_client: Client) -> None:
    boss = User.objects.create_superuser("boss@fullon")
    form = {"user": boss.pk, "name": "", "description": "", "scopes": "", "is_active": "on"}
    assert "Select a valid choice" in clerk_client.post("/admin/accounts/apikey/add/", form).content.decode()
    assert not ApiKey.objects.exists()


def test_who_may_only_look_ends_nothing(ann: User) -> None:
    viewer = User.objects.create_user("viewer@fullon", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__in=("view_user", "view_apikey")))
    client = Client()
    client.force_login(viewer)
    key = ApiKey.objects.create(user=ann, digest="d", hint="h")
    client.post("/admin/accounts/user/", {"action": "deactivate", "_selected_action": [ann.pk]})
    client.post("/admin/accounts/apikey/", {"action": "deactivate", "_selected_action": [key.pk]})
    ann.refresh_from_db()
    key.refresh_from_db()
    assert ann.is_active
    assert key.is_active


def test_what_was_done_is_read_and_not_edited(admin_client: Client, ann: User) -> None:
    admin_client.post("/admin/accounts/user/", {"action": "deactivate", "_selected_action": [ann.pk]})
    entry = LogEntry.objects.get()
    assert "Deactivated." in admin_client.get("/admin/admin/logentry/?q=ann").content.decode()
    assert admin_client.post(f"/admin/admin/logentry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
