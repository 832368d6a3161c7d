"""Roles, permissions and ownership as the database keeps them and as the sockets read them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoAssertNumQueries

from accounts.identity import Identity
from accounts.models import Ownership, User
from accounts.selectors import PERMISSIONS, identities_of, identity_of

roles = import_module("accounts.migrations.0004_roles")
operate = import_module("accounts.migrations.0005_operate")
ROLES = {**roles.ROLES, "staff": (*roles.ROLES["staff"], "operate")}
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _roles() -> None:
    roles.create_roles(apps, connection.schema_editor())  # tests that flush the database take them away
    operate.grant(apps, connection.schema_editor())


def identity(user: User) -> Identity:
    found = identity_of(user.pk)
    assert found is not None
    return found


def member(*names: str, **fields: Any) -> User:  # Any: fields of the user
    user = User.objects.create_user(f"{'.'.join(names) or 'none'}@fullon", **fields)
    user.groups.set(Group.objects.filter(name__in=names))
    return user


@pytest.mark.parametrize("role", ROLES)
def test_a_role_grants_its_permissions(role: str) -> None:
    assert identity(member(role)).permissions == frozenset(ROLES[role])


def test_roles_add_up_with_each_other_and_with_own_permissions() -> None:
    assert identity(member("viewer", "producer")).permissions == {"read", "publish", "publish_any"}


def test_making_the_roles_again_changes_nothing() -> None:
    before = list(Group.objects.values_list("name", "permissions").order_by("name", "permissions"))
    roles.create_roles(apps, connection.schema_editor())
    assert list(Group.objects.values_list("name", "permissions").order_by("name", "permissions")) == before


@pytest.mark.parametrize(
    ("user", "staff"),
    [({}, False), ({"is_staff": True}, True), ({"is_superuser": True}, True)],
)
def test_staff_and_superusers_see_everything(user: dict[str, bool], *, staff: bool) -> None:
    assert identity(member(**user)).is_staff is staff


def test_the_staff_role_sees_everything_too() -> None:
    assert identity(member("staff")).is_staff


def test_a_superuser_holds_every_permission() -> None:
    assert identity(member(is_superuser=True)).permissions == PERMISSIONS


def test_identities_of_many_are_read_by_three_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    users = [User.objects.create_user(f"u{number}@fullon") for number in range(5)]
    for user in users:
        Ownership.objects.create(user=user, kind="account", identifier=str(user.pk))
    with django_assert_num_queries(3):
        found = identities_of([*(user.pk for user in users), 10**9])
    assert {pk: set(one.accounts) for pk, one in found.items()} == {user.pk: {str(user.pk)} for user in users}


def test_an_account_has_one_owner() -> None:
    ann, bob = member(), User.objects.create_user("bob@fullon")
    Ownership.objects.create(user=ann, kind="account", identifier="1")
    Ownership.objects.create(user=bob, kind="bot", identifier="1")
    with pytest.raises(IntegrityError), transaction.atomic():
        Ownership.objects.create(user=bob, kind="account", identifier="1")


@pytest.mark.parametrize(
    ("kind", "identifier"), [("yacht", "1"), ("bot", ""), ("bot", " b"), ("bot", "a\nb")]
)
def test_what_nobody_could_own_is_refused(kind: str, identifier: str) -> None:
    with pytest.raises(ValidationError):
        Ownership(user=member(), kind=kind, identifier=identifier).full_clean()


def test_the_database_itself_refuses_an_unknown_kind() -> None:
    user = member()
    with pytest.raises(IntegrityError), transaction.atomic():
        Ownership.objects.create(user=user, kind="yacht", identifier="1")
