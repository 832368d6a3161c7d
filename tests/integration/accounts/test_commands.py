"""The commands that operators type, through Django's command line."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import User
from accounts.services import authenticate_by_password
from accounts.tokens import verify_access_token

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    printed = io.StringIO()
    call_command(*arguments, stdout=printed)
    return printed.getvalue()


def test_bootstrap_prints_a_generated_password_once(settings: Settings) -> None:
    settings.ADMIN_MAIL, settings.ADMIN_PASSWORD = "admin@fullon", None
    printed = run("bootstrap")
    password = printed.split("password ")[1].split()[0]
    assert authenticate_by_password("admin@fullon", password) is not None
    again = run("bootstrap")
    assert password not in again
    assert "admin@fullon" in again
    assert "manage.py changepassword admin@fullon" in again


def test_bootstrap_does_not_print_the_password_it_was_given(settings: Settings) -> None:
    settings.ADMIN_MAIL, settings.ADMIN_PASSWORD = "admin@fullon", "given-by-hand"
    assert "given-by-hand" not in run("bootstrap")
    assert authenticate_by_password("admin@fullon", "given-by-hand") is not None


def test_token_prints_the_token_alone() -> None:
    user = User.objects.create_user("ann@example.org")
    assert (
        verify_access_token(run("token", "--user", "Ann@example.org").removesuffix("\n")).user_id == user.pk
    )


def test_token_lives_as_long_as_it_was_asked_to() -> None:
    User.objects.create_user("ann@example.org")
    short, long = (
        verify_access_token(
            run("token", "--user", "ann@example.org", "--minutes", minutes).strip()
        ).expires_at
        for minutes in ("1", "61")
    )
    assert long - short == pytest.approx(3600, abs=5)


def test_token_of_an_unknown_user_fails_with_a_sentence() -> None:
    with pytest.raises(
        CommandError, match=r"There is no user 'nobody@example\.org'; --create makes one"
    ) as failed:
        run("token", "--user", "nobody@example.org")
    assert failed.value.returncode == 1


def test_token_creates_a_plain_user_when_asked() -> None:
    claims = verify_access_token(run("token", "--user", "Bot@example.org", "--create").strip())
    user = User.objects.get(pk=claims.user_id)
    assert (user.mail, user.is_staff, user.has_usable_password()) == ("bot@example.org", False, False)


def test_token_of_an_inactive_user_fails() -> None:
    User.objects.create_user("gone@example.org", is_active=False)
    for arguments in (
        ["token", "--user", "gone@example.org"],
        ["token", "--user", "gone@example.org", "--create"],
    ):
        with pytest.raises(CommandError, match="inactive"):
            run(*arguments)


def test_token_for_what_is_no_mail_names_the_rule() -> None:
    with pytest.raises(CommandError, match=r"--user 'ann': A mail address has one '@'"):
        run("token", "--user", "ann", "--create")


@pytest.mark.parametrize("minutes", ["0", "-1", "1.5", "x", "525601", "٣"])
def test_token_refuses_a_lifetime_that_is_none(minutes: str) -> None:
    with pytest.raises(CommandError, match="--minutes must be a whole number from 1 to 525600"):
        run("token", "--user", "ann@example.org", f"--minutes={minutes}")
