"""``bootstrap``: make sure that there is an administrator."""

from django.conf import settings
from django.core.management.base import BaseCommand

from accounts.services import bootstrap_admin


class Command(BaseCommand):
    """Creates ``ADMIN_MAIL`` once; later runs only say how to set a new password."""

    help = "Create the administrator ADMIN_MAIL with ADMIN_PASSWORD, or with a password that is printed once."

    def handle(self, **_options: object) -> None:
        """Print one line about the administrator."""
        outcome = bootstrap_admin(settings.ADMIN_MAIL, settings.ADMIN_PASSWORD)
        if outcome.generated_password:
            secret = f"password {outcome.generated_password} (shown this once)"
        elif outcome.created:
            secret = "with the password of ADMIN_PASSWORD"  # noqa: S105 - says where it came from
        else:
            secret = f"exists; `python manage.py changepassword {outcome.mail}` sets a new password"
        self.stdout.write(f"Administrator {outcome.mail}: {secret}.")
