"""``token``: print an access token."""

import argparse

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.selectors import user_by_mail
from accounts.services import ensure_plain_user
from accounts.tokens import issue_access_token

MINUTES_MAX = 525_600


def _minutes(text: str) -> int:
    """Return ``text`` as a lifetime."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MINUTES_MAX:
        raise argparse.ArgumentTypeError(f"--minutes must be a whole number from 1 to {MINUTES_MAX}.")
    return int(text)


class Command(BaseCommand):
    """Prints the token alone, so that a shell can put it where it is needed."""

    help = "Print an access token of a user, and nothing else."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Name the user, the lifetime, and whether a missing user is created."""
        parser.add_argument("--user", required=True, metavar="MAIL")
        parser.add_argument(
            "--minutes", type=_minutes, default=None, metavar="N", help="default: JWT_EXPIRATION_MINUTES"
        )
        parser.add_argument(
            "--create", action="store_true", help="create a plain user without a password if unknown"
        )

    def handle(self, *, user: str, minutes: int | None, create: bool, **_options: object) -> None:
        """Print the token of ``user``. Raises ``CommandError`` (exit 1) for unknown and inactive users."""
        try:
            found = ensure_plain_user(user) if create else user_by_mail(user)
        except ValidationError as exc:
            raise CommandError(f"--user {user!r}: {' '.join(exc.messages)}") from exc
        if found is None:
            raise CommandError(f"There is no user {user!r}; --create makes one.")
        if not found.is_active:
            raise CommandError(f"The user {user!r} is inactive.")
        self.stdout.write(issue_access_token(found, minutes))
