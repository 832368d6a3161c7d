"""Users and passwords against a real database."""

from __future__ import annotations

import bcrypt
import pytest
from django.core.exceptions import ValidationError
from django.core.management.color import no_style
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounts.hashers import stored_form
from accounts.identity import Identity
from accounts.models import User
from accounts.selectors import active_user, identity_of, user_by_mail
from accounts.services import authenticate_by_password, bootstrap_admin, ensure_plain_user

pytestmark = pytest.mark.django_db


def bare_hash(password: str) -> str:
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()


def user_of_the_replaced_system(password: str) -> User:
    return User.objects.create(mail="old@fullon", password=stored_form(bare_hash(password)))


def test_a_mail_is_stored_in_lower_case() -> None:
    assert User.objects.create_user(" Ann@Example.ORG ").mail == "ann@example.org"


def test_mails_are_unique_whatever_their_case() -> None:
    User.objects.create_user("ann@example.org")
    with pytest.raises(IntegrityError):
        User.objects.create_user("ANN@example.org")


def test_the_database_itself_refuses_a_mail_in_upper_case() -> None:
    with pytest.raises(IntegrityError):
        User.objects.create(mail="Ann@example.org")


@pytest.mark.parametrize("mail", ["", "ann", "@", "a@", "@b", "a b@c", "a@b@c", "a@b\nc", "a@" + "b" * 254])
def test_what_is_no_mail_is_refused(mail: str) -> None:
    with pytest.raises(ValidationError):
        User.objects.create_user(mail)


def test_the_default_mail_of_administrators_is_one() -> None:
    assert User.objects.create_superuser("admin@fullon", "password").role == "admin"


def test_an_identity_is_read_by_three_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    user = User.objects.create_user("ann@example.org", name="Ann", is_active=False)
    with django_assert_num_queries(3):
        identity = identity_of(user.pk)
    assert identity == Identity(user.pk, "ann@example.org", "Ann", is_staff=False, is_active=False)


@pytest.mark.parametrize("user_id", [0, 2**63 - 1])
def test_nobody_has_an_unknown_id(user_id: int) -> None:
    assert identity_of(user_id) is None
    assert active_user(user_id) is None


def test_an_inactive_user_is_no_active_one() -> None:
    user = User.objects.create_user("ann@example.org", is_active=False)
    assert active_user(user.pk) is None
    assert user_by_mail("ANN@example.org") == user


def test_a_new_password_is_hashed_with_argon2() -> None:
    assert User.objects.create_user("ann@example.org", "secret").password.startswith("argon2$")


def test_a_login_name_may_be_written_in_any_case() -> None:
    user = User.objects.create_user("ann@example.org", "secret")
    assert authenticate_by_password(" ANN@Example.org", "secret") == user


def test_a_password_of_the_replaced_system_is_right_and_gets_a_new_hash() -> None:
    user = user_of_the_replaced_system("pässword")
    assert authenticate_by_password("old@fullon", "pässword") == user
    user.refresh_from_db()
    assert user.password.startswith("argon2$")
    assert authenticate_by_password("old@fullon", "pässword") == user


def test_a_wrong_password_leaves_the_hash_of_the_replaced_system() -> None:
    user = user_of_the_replaced_system("password")
    assert authenticate_by_password("old@fullon", "passwort") is None
    user.refresh_from_db()
    assert user.password.startswith("bcrypt_bare$$2b$")


def test_a_long_password_is_cut_where_the_replaced_system_cut_it() -> None:
    user = user_of_the_replaced_system("x" * 100)
    assert authenticate_by_password("old@fullon", "x" * 99) == user


@pytest.mark.parametrize(
    "damaged", ["bcrypt_bare$", "bcrypt_bare$$2b$12$short", "$2b$12$" + "a" * 53, "", "!"]
)
def test_a_damaged_hash_matches_nothing(damaged: str) -> None:
    User.objects.create(mail="old@fullon", password=damaged)
    assert authenticate_by_password("old@fullon", "") is None


@pytest.mark.parametrize("bare", ["", "password", "$2b$12$short", "$1$" + "a" * 57, "$2b$99$" + "a" * 53])
def test_only_bcrypt_is_taken_over(bare: str) -> None:
    with pytest.raises(ValueError, match="bcrypt"):
        stored_form(bare)


def test_an_unknown_mail_costs_as_many_queries_as_a_wrong_password() -> None:
    User.objects.create_user("ann@example.org", "secret")
    counts = []
    for mail in ("ann@example.org", "nobody@example.org"):
        with CaptureQueriesContext(connection) as queries:
            assert authenticate_by_password(mail, "wrong") is None
        counts.append(len(queries))
    assert counts == [1, 1]


def test_the_first_administrator_is_user_1_and_the_next_user_is_not() -> None:
    with connection.cursor() as cursor:  # as after migrating: sequences outlive the tests that moved them
        for statement in connection.ops.sequence_reset_sql(no_style(), [User]):
            cursor.execute(statement)
    outcome = bootstrap_admin("Admin@Fullon", "password")
    assert (outcome.mail, outcome.created, outcome.generated_password) == ("admin@fullon", True, None)
    admin = User.objects.get(mail="admin@fullon")
    assert (admin.pk, admin.is_staff, admin.is_superuser) == (1, True, True)
    assert authenticate_by_password("admin@fullon", "password") == admin
    assert User.objects.create_user("ann@example.org").pk > 1


def test_the_first_administrator_is_user_1_also_where_others_have_gone() -> None:
    User.objects.create_user("gone@example.org").delete()
    bootstrap_admin("admin@fullon", "password")
    assert User.objects.get(mail="admin@fullon").pk == 1


def test_an_administrator_beside_other_users_gets_an_id_of_the_database() -> None:
    other = User.objects.create_user("ann@example.org")
    bootstrap_admin("admin@fullon", "password")
    assert User.objects.get(mail="admin@fullon").pk > other.pk


def test_without_a_password_one_is_generated_that_works() -> None:
    generated = bootstrap_admin("admin@fullon", None).generated_password
    assert generated is not None
    assert len(generated) >= 20
    assert authenticate_by_password("admin@fullon", generated) is not None


def test_bootstrapping_again_changes_nothing() -> None:
    bootstrap_admin("admin@fullon", "password")
    outcome = bootstrap_admin("ADMIN@fullon", "another")
    assert (outcome.created, outcome.generated_password) == (False, None)
    assert authenticate_by_password("admin@fullon", "password") is not None
    assert User.objects.count() == 1


def test_a_plain_user_is_created_once_and_cannot_log_in() -> None:
    user = ensure_plain_user("bot@example.org")
    assert ensure_plain_user("BOT@example.org") == user
    assert (user.is_active, user.is_staff, user.has_usable_password()) == (True, False, False)
    assert authenticate_by_password("bot@example.org", "") is None
