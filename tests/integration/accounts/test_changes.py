"""What is announced, when, and how often."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import transaction

from accounts.changes import as_one, changed
from accounts.families import revoke, start_family
from accounts.keys import create_key, deactivate, key_claims
from accounts.models import Ownership, User
from accounts.standing import standing_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann@example.org")


@pytest.fixture
def heard(ann: User) -> Iterator[list[int | None]]:
    """Whom the news were about since ann was created."""
    news: list[int | None] = []

    def hear(sender: object, user_id: int | None, **signal: object) -> None:
        news.append(user_id)

    changed.connect(hear)
    yield news
    changed.disconnect(hear)


def test_a_saved_user_is_news(ann: User, heard: list[int | None]) -> None:
    ann.name = "Ann"
    ann.save()
    assert heard == [ann.pk]


def test_a_login_is_no_news(ann: User, heard: list[int | None]) -> None:
    ann.save(update_fields=["last_login"])
    assert heard == []


def test_a_refresh_family_is_no_news_but_a_revoked_token_is(ann: User, heard: list[int | None]) -> None:
    start_family(ann)
    assert heard == []
    revoke("jti", ann.pk, 4e9)
    assert heard == [ann.pk]


def test_a_key_is_news_when_it_ends_and_not_when_it_is_used(ann: User, heard: list[int | None]) -> None:
    key, raw = create_key(ann)
    heard.clear()
    key_claims(raw)
    assert heard == []
    deactivate([key])
    assert heard == [ann.pk]


def test_what_changes_hands_is_news_for_both_once_it_is_stored(ann: User, heard: list[int | None]) -> None:
    bob = User.objects.create_user("bob@example.org")
    own = Ownership.objects.create(user=ann, kind="bot", identifier="b")
    heard.clear()
    stored: list[bool] = []

    def look(sender: object, user_id: int | None, **signal: object) -> None:
        stored.append(Ownership.objects.filter(user=bob).exists())

    changed.connect(look)
    own.user = bob
    own.save()
    changed.disconnect(look)
    assert sorted(filter(None, heard)) == [ann.pk, bob.pk]
    assert stored == [True, True]


def test_members_of_a_group_are_news(ann: User, heard: list[int | None]) -> None:
    group = Group.objects.create(name="desk")
    ann.groups.add(group)
    group.user_set.remove(ann)
    assert heard == [ann.pk, ann.pk]


@pytest.mark.parametrize("change", ["permissions", "emptied", "deleted"])
def test_a_group_that_changes_is_news_for_everybody(ann: User, heard: list[int | None], change: str) -> None:
    group = Group.objects.create(name="desk")
    ann.groups.add(group)
    heard.clear()
    if change == "permissions":
        group.permissions.add(*Permission.objects.all()[:1])
    elif change == "emptied":
        group.user_set.clear()
    else:
        group.delete()
    assert None in heard


def test_what_is_rolled_back_is_no_news(ann: User, heard: list[int | None]) -> None:
    with transaction.atomic():
        ann.save()
        transaction.set_rollback(True)
    assert heard == []


def test_many_changes_can_be_told_as_one(ann: User, heard: list[int | None]) -> None:
    with as_one():
        ann.save()
        User.objects.create_user("bob@example.org")
    assert heard == [None]


def test_standing_says_what_holds_of_many(ann: User) -> None:
    good, _ = create_key(ann)
    bad, _ = create_key(ann)
    deactivate([bad])
    revoke("x" * 300, ann.pk, 4e9)
    standing = standing_of([ann.pk, 10**9], ["x" * 300, "other"], [good.pk, bad.pk])
    assert set(standing.identities) == {ann.pk}
    assert (standing.revoked, standing.keys) == (frozenset({"x" * 300}), frozenset({good.pk}))
