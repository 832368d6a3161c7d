"""Users, keys and ownership of the replaced system: brought over whole, twice without harm, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.imports import Count, ImportRefused, import_accounts
from accounts.models import ApiKey, Ownership, User
from accounts.selectors import identity_of
from accounts.services import authenticate_by_password

pytestmark = pytest.mark.django_db
HASH = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()
OLD_KEY = "Zx9-unprefixed-key-of-the-replaced-system_0"


def document() -> dict[str, list[dict[str, Any]]]:  # Any: fields as JSON
    return {
        "users": [
            {"uid": 40, "mail": "Ann@Fullon", "password": HASH, "name": "Ann", "active": True},
            {"uid": 7, "mail": "bob@fullon", "active": False},
        ],
        "api_keys": [
            {"uid": 40, "key": OLD_KEY, "name": "bot", "scopes": "read,write", "created_at": "2024-01-01T00:00:00"},
        ],
        "ownership": [
            {"uid": 40, "kind": "account", "identifier": "12"},
            {"uid": 40, "kind": "bot", "identifier": "grid"},
        ],
    }  # fmt: skip


def test_ids_passwords_keys_and_ownership_come_over(client: Client) -> None:
    counts = import_accounts(document())
    assert {name: count.created for name, count in counts.items()} == {
        "users": 2,
        "api_keys": 1,
        "ownership": 2,
    }
    user = authenticate_by_password("ann@fullon", "correct horse")
    assert user is not None
    assert (user.pk, User.objects.get(pk=7).is_active) == (40, False)
    answer = client.get("/api/v1/orm/users/me", headers={"X-API-Key": OLD_KEY})
    assert answer.json()["uid"] == 40
    assert ApiKey.objects.get().created_at.isoformat() == "2024-01-01T00:00:00+00:00"
    identity = identity_of(40)
    assert identity is not None
    assert (identity.accounts, identity.bots) == (frozenset({"12"}), frozenset({"grid"}))


def test_the_same_file_again_changes_nothing() -> None:
    import_accounts(document())
    before = list(User.objects.values()), list(ApiKey.objects.values()), list(Ownership.objects.values())
    counts = import_accounts(document())
    assert counts == {"users": Count(0, 0, 2), "api_keys": Count(0, 0, 1), "ownership": Count(0, 0, 2)}
    assert before == (
        list(User.objects.values()),
        list(ApiKey.objects.values()),
        list(Ownership.objects.values()),
    )


def test_who_logged_in_since_keeps_the_newer_hash() -> None:
    import_accounts(document())
    authenticate_by_password("ann@fullon", "correct horse")
    import_accounts(document())
    assert User.objects.get(pk=40).password.startswith("argon2")


def test_what_was_taken_away_here_is_not_given_back() -> None:
    import_accounts(document())
    User.objects.filter(pk=40).update(is_active=False)
    ApiKey.objects.update(is_active=False)
    rows = document()
    rows["users"][0] |= {"staff": True}
    rows["api_keys"][0] |= {"is_active": True}
    import_accounts(rows)
    user = User.objects.get(pk=40)
    assert (user.is_active, user.is_staff, ApiKey.objects.get().is_active) == (False, False, False)


def test_what_changed_in_the_file_changes_here() -> None:
    import_accounts(document())
    rows = document()
    rows["users"][0]["name"] = "Anna"
    rows["ownership"][0]["uid"] = 7
    counts = import_accounts(rows)
    assert (counts["users"].changed, counts["ownership"].changed) == (1, 1)
    assert User.objects.get(pk=40).name == "Anna"
    assert Ownership.objects.get(kind="account").user_id == 7


def test_new_users_get_ids_beyond_the_imported_ones() -> None:
    import_accounts(document())
    assert User.objects.create_user("new@fullon").pk > 40


@pytest.mark.parametrize(
    ("section", "row", "told"),
    [
        ("users", {"uid": 0, "mail": "a@b"}, "users[2].uid: must be from 1"),
        ("users", {"uid": True, "mail": "a@b"}, "users[2].uid: must be of type int"),
        ("users", {"uid": 5}, "users[2].mail: is required"),
        ("users", {"uid": 5, "mail": "nobody"}, "users[2].mail: A mail address"),
        ("users", {"uid": 5, "mail": "ann@fullon"}, "users[2].mail: belongs to user 40"),
        ("users", {"uid": 40, "mail": "other@fullon"}, "users[2].uid: is somebody else's"),
        ("users", {"uid": 5, "mail": "a@b", "password": "clear text"}, "users[2].password: A bcrypt hash"),
        ("users", {"uid": 5, "mail": "a@b", "active": "yes"}, "users[2].active: must be true or false"),
        ("users", {"uid": 5, "mail": "a@b", "nmae": "A"}, "users[2].nmae: is unknown"),
        ("users", {"uid": 5, "mail": "a@b", "name": "x" * 200}, "users[2].name: "),
        ("users", {"uid": 5, "mail": "a@b", "name": "\x00"}, "users[2].name: must be without NUL"),
        ("users", ["uid"], "users[2].: must be an object"),
        ("api_keys", {"uid": 40, "key": "short"}, "api_keys[1].key: must have 10 to"),
        ("api_keys", {"uid": 41, "key": "long-enough"}, "api_keys[1].uid: names no user"),
        ("api_keys", {"uid": 7, "key": OLD_KEY}, "api_keys[1].key: belongs to user 40"),
        ("api_keys", {"uid": 7, "key": "long-enough", "expires_at": "soon"}, "api_keys[1].expires_at: must be an ISO"),
        ("api_keys", {"uid": 7, "key": "long-enough", "scopes": "READ"}, "api_keys[1].scopes: Scopes are"),
        ("ownership", {"uid": 40, "kind": "yacht", "identifier": "1"}, "ownership[2].kind: "),
        ("ownership", {"uid": 40, "kind": "bot", "identifier": " "}, "ownership[2].identifier: "),
        ("ownership", {"uid": 99, "kind": "bot", "identifier": "1"}, "ownership[2].uid: names no user"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_and_nothing_is_imported(
    section: str, row: Any, told: str
) -> None:  # Any: as JSON
    rows = document()
    rows[section].append(row)
    with pytest.raises(ImportRefused) as refused:
        import_accounts(rows)
    assert any(error.startswith(told) for error in refused.value.errors), refused.value.errors
    assert (User.objects.count(), ApiKey.objects.count(), Ownership.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize("whole", [[], "text", None, {"people": []}, {"users": {}}])
def test_a_file_of_another_shape_is_refused(whole: object) -> None:
    with pytest.raises(ImportRefused):
        import_accounts(whole)


def test_no_error_shows_a_key_or_a_hash() -> None:
    rows = document()
    rows["api_keys"].append({"uid": 7, "key": OLD_KEY})
    rows["users"].append({"uid": 5, "mail": "a@b", "password": "secret text"})
    with pytest.raises(ImportRefused) as refused:
        import_accounts(rows)
    assert OLD_KEY not in str(refused.value)
    assert "secret text" not in str(refused.value)


def test_the_command_reports_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "accounts.json"
    file.write_text(json.dumps(document()))
    call_command("import_accounts", str(file))
    assert "users: 2 created, 0 changed, 0 unchanged" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"{", b"\xff", b'{"users": [{}]}', None])
def test_the_command_fails_in_one_text(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "accounts.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CommandError):
        call_command("import_accounts", str(file))
