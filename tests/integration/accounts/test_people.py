"""Users and ownership over REST: who may list, create, grant and revoke, and what they are told."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts import keys
from accounts.models import ApiKey, Ownership, User
from accounts.tokens import issue_access_token

USERS, OWNERSHIP = "/api/v1/orm/users", "/api/v1/orm/ownership"
KEYS = "/api/v1/orm/api_keys/me"
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_counts")]


class Person:
    def __init__(self, client: Client, user: User) -> None:
        self.client, self.user = client, user
        self.headers = {"Authorization": f"Bearer {issue_access_token(user)}"}

    def get(self, path: str, **headers: str) -> Any:  # Any: Django's test client adds to HttpResponse
        return self.client.get(path, headers={**self.headers, **headers})

    def post(self, path: str, body: object) -> Any:  # Any: as above
        return self.client.post(path, body, "application/json", headers=self.headers)

    def delete(self, path: str) -> Any:  # Any: as above
        return self.client.delete(path, headers=self.headers)


@pytest.fixture
def ann(client: Client) -> Person:
    return Person(client, User.objects.create_user("ann@example.org"))


@pytest.fixture
def root(client: Client) -> Person:
    return Person(client, User.objects.create_superuser("root@example.org"))


def staff_with(client: Client, *codenames: str) -> Person:
    user = User.objects.create_user("staff@example.org", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return Person(client, user)


class TestWhoMay:
    @pytest.mark.parametrize("path", [USERS, f"{USERS}/", OWNERSHIP, f"{OWNERSHIP}/"])
    def test_lists_of_everybody_are_for_staff_with_djangos_permission(
        self, client: Client, ann: Person, root: Person, path: str
    ) -> None:
        looking = staff_with(client, "view_user", "view_ownership")
        assert [person.get(path).status_code for person in (ann, looking, root)] == [403, 200, 200]
        assert ann.get(path).json()["detail"] == "Admin access required"
        assert client.get(path).json()["detail"] == "No authenticated user"

    def test_who_may_look_may_not_change(self, client: Client, ann: Person) -> None:
        looking = staff_with(client, "view_user", "view_ownership")
        owned = Ownership.objects.create(user=ann.user, kind="bot", identifier="b")
        body = {"uid": ann.user.pk, "kind": "bot", "identifier": "c"}
        assert looking.post(USERS, {"mail": "new@example.org"}).status_code == 403
        assert looking.post(OWNERSHIP, body).status_code == 403
        assert looking.delete(f"{OWNERSHIP}/{owned.pk}").status_code == 403

    def test_only_a_superuser_makes_an_admin(self, client: Client, root: Person) -> None:
        adding = staff_with(client, "add_user")
        body = {"mail": "boss@example.org", "role": "admin"}
        assert adding.post(USERS, body).status_code == 403
        assert root.post(USERS, body).json()["role"] == "admin"


class TestUsers:
    def test_a_new_user_is_told_as_users_are_and_can_log_in(self, client: Client, root: Person) -> None:
        body = {"mail": " New@Example.org", "password": "correct horse battery", "name": "N"}
        answer = root.post(f"{USERS}/", body)
        assert answer.status_code == 201
        told = answer.json()
        assert told.pop("uid") == User.objects.get(mail="new@example.org").pk
        assert told == {
            "mail": "new@example.org", "name": "N", "lastname": "", "phone": "", "id_num": "", "role": "user",
            "active": True,
        }  # fmt: skip
        login = {"username": "new@example.org", "password": "correct horse battery"}
        assert client.post("/api/v1/auth/login", login).status_code == 200

    def test_without_a_password_nobody_logs_in(self, root: Person) -> None:
        root.post(USERS, {"mail": "new@example.org"})
        assert not User.objects.get(mail="new@example.org").has_usable_password()

    def test_a_mail_that_somebody_has_is_409_whatever_its_letter_case(
        self, root: Person, ann: Person
    ) -> None:
        answer = root.post(USERS, {"mail": "ANN@example.org"})
        assert (answer.status_code, answer.json()["error_code"]) == (409, "CONFLICT")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "mail"),
            ({"mail": "x"}, "mail"),
            ({"mail": "a@b", "password": "short"}, "password"),
            ({"mail": "somebody@example.org", "password": "somebody@example.org"}, "password"),
            ({"mail": "a@b", "role": "king"}, "role"),
            ({"mail": "a@b", "name": "x" * 151}, "name"),
            ({"mail": "a@b", "active": "perhaps"}, "active"),
            ({"mail": "a\u0000@b"}, "mail"),
        ],
    )
    def test_a_field_that_breaks_a_rule_is_named(
        self, root: Person, body: dict[str, object], field: str
    ) -> None:
        answer = root.post(USERS, body)
        assert (answer.status_code, set(answer.json()["errors"])) == (422, {field})

    def test_what_was_created_is_in_the_log_of_the_admin_site(self, root: Person) -> None:
        root.post(USERS, {"mail": "new@example.org"})
        entry = LogEntry.objects.get()
        assert (entry.user_id, entry.change_message) == (root.user.pk, "Created over REST.")


class TestLists:
    def test_parts_together_are_the_whole_list_once(self, root: Person) -> None:
        for number in range(5):
            User.objects.create_user(f"u{number}@example.org")
        found, path = [], f"{USERS}?limit=2&active=true"
        while path:
            answer = root.get(path)
            found += [each["uid"] for each in answer.json()]
            following = re.search(r'<(.+)>; rel="next"', answer.headers.get("Link", ""))
            path = following[1] if following else ""
        assert found == list(User.objects.order_by("pk").values_list("pk", flat=True))

    def test_users_are_found_by_mail_and_by_whether_they_are_active(self, root: Person, ann: Person) -> None:
        gone = User.objects.create_user("gone@example.org", is_active=False)
        assert [each["uid"] for each in root.get(f"{USERS}?active=false").json()] == [gone.pk]
        assert [each["uid"] for each in root.get(f"{USERS}?mail=ANN@example.org").json()] == [ann.user.pk]

    def test_what_did_not_change_is_not_sent_again(self, root: Person) -> None:
        first = root.get(USERS)
        again = root.get(USERS, **{"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        User.objects.create_user("new@example.org")
        assert root.get(USERS, **{"If-None-Match": first.headers["ETag"]}).status_code == 200

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("limit=0", "limit"), ("limit=1001", "limit"), ("after=-1", "after"), ("after=9223372036854775808", "after"),
            ("actve=true", "actve"), ("active=perhaps", "active"), ("mail=%00", "mail"), ("limit=%D9%A1%", "limit"),
        ],
    )  # fmt: skip
    def test_a_parameter_that_breaks_a_rule_is_named(self, root: Person, query: str, field: str) -> None:
        answer = root.get(f"{USERS}?{query}")
        assert (answer.status_code, set(answer.json()["errors"])) == (422, {field})

    def test_a_list_costs_the_same_however_long_it_is(
        self, root: Person, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(20):
            user = User.objects.create_user(f"u{number}@example.org")
            Ownership.objects.create(user=user, kind="bot", identifier=str(number))
        for path in (USERS, OWNERSHIP, f"{OWNERSHIP}/me"):
            with django_assert_num_queries(2):  # the caller, the rows
                root.get(path)


class TestOwnership:
    def body(self, person: Person, **other: object) -> dict[str, object]:
        return {"uid": person.user.pk, "kind": "account", "identifier": "7", **other}

    def test_what_is_granted_is_told_to_its_owner(self, root: Person, ann: Person) -> None:
        answer = root.post(OWNERSHIP, self.body(ann))
        assert answer.status_code == 201
        told = answer.json()
        assert set(told) == {"ownership_id", "uid", "kind", "identifier", "created_at"}
        assert ann.get(f"{OWNERSHIP}/me").json() == [told]
        assert root.get(f"{OWNERSHIP}?uid={ann.user.pk}&kind=account&identifier=7").json() == [told]
        assert root.get(f"{OWNERSHIP}?kind=bot").json() == []

    def test_the_same_again_changes_nothing_and_somebody_elses_is_409(
        self, root: Person, ann: Person
    ) -> None:
        first = root.post(OWNERSHIP, self.body(ann))
        again = root.post(OWNERSHIP, self.body(ann))
        assert (again.status_code, again.json()) == (200, first.json())
        assert root.post(OWNERSHIP, self.body(root)).status_code == 409

    def test_what_is_revoked_is_gone_once(self, root: Person, ann: Person) -> None:
        number = root.post(OWNERSHIP, self.body(ann)).json()["ownership_id"]
        told = [root.delete(f"{OWNERSHIP}/{number}") for _ in range(2)]
        assert [(answer.status_code, bool(answer.content)) for answer in told] == [(204, False), (404, True)]
        assert not Ownership.objects.exists()
        assert list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True)) == [
            "Granted over REST.",
            "Revoked over REST.",
        ]

    @pytest.mark.parametrize(
        ("other", "field"),
        [
            ({"uid": 10**9}, "uid"), ({"uid": 10**30}, "uid"), ({"kind": "yacht"}, "kind"), ({"identifier": ""}, "identifier"),
            ({"identifier": " 7"}, "identifier"), ({"identifier": "x" * 129}, "identifier"), ({"identifier": []}, "identifier"), ({"identifier": 1.5}, "identifier"),
        ],
    )  # fmt: skip
    def test_a_field_that_breaks_a_rule_is_named(
        self, root: Person, ann: Person, other: dict[str, object], field: str
    ) -> None:
        answer = root.post(OWNERSHIP, self.body(ann, **other))
        assert (answer.status_code, set(answer.json()["errors"])) == (422, {field})


def test_nobody_has_more_keys_than_the_bound(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "KEYS_MAX", 2)
    assert [ann.post(KEYS, {"name": "k"}).status_code for _ in range(3)] == [200, 200, 409]
    assert ApiKey.objects.filter(user=ann.user).count() == 2
