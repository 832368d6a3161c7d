"""``agents_producer``: make the key with which a producer signs what it adds to Redis."""

import argparse

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction

from accounts.selectors import user_by_mail
from cache_streams.agents.models import AgentProducerKey, new_secret


class Command(BaseCommand):
    """Prints the key alone and once; it is shown nowhere else."""

    help = "Print a new signing key for a producer that acts for a user; --renew replaces the one it has."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Name producer and account."""
        parser.add_argument("--name", required=True, help="1 to 64 of A-Z a-z 0-9 . _ -")
        parser.add_argument(
            "--user", required=True, metavar="MAIL", help="an account of the group agent_producers"
        )
        parser.add_argument("--renew", action="store_true", help="replace the producer's key")

    def handle(self, *, name: str, user: str, renew: bool, **_options: object) -> None:
        """Print the key. Raises ``CommandError`` (exit 1) for unknown users and names that are taken or odd."""
        found = user_by_mail(user)
        if found is None:
            raise CommandError(f"There is no user {user!r}.")
        key = AgentProducerKey.objects.filter(name=name, user=found.pk).first() if renew else None
        key = key or AgentProducerKey(name=name, user_id=found.pk)
        key.secret, key.is_active = new_secret(), True
        try:
            key.clean_fields()
            with transaction.atomic():
                key.save()
        except ValidationError as exc:
            raise CommandError(f"--name {name!r}: {' '.join(exc.messages)}") from exc
        except IntegrityError as exc:
            raise CommandError(f"The producer {name!r} has a key already; --renew replaces its own.") from exc
        self.stdout.write(key.secret)
