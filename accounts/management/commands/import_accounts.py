"""``import_accounts``: bring users, keys and ownership over from the replaced system."""

import argparse
import json
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from accounts.imports import ImportRefused, import_accounts

ERRORS_TOLD = 50


class Command(BaseCommand):
    """Stores everything that the file lists, or nothing."""

    help = (
        "Import a JSON object of lists: users (uid, mail, password: bcrypt hash, name, lastname, phone, id_num, active, "
        "staff), api_keys (uid, key, name, description, scopes, is_active, expires_at, last_used_at, created_at), "
        "ownership (uid, kind: account or bot, identifier). Ids are kept; the same file again changes nothing."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Name the file."""
        parser.add_argument("file", type=Path, metavar="FILE")

    def handle(self, *, file: Path, **_options: object) -> None:
        """Print one line of counts per section. Raises ``CommandError`` (exit 1) that names every bad row."""
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}.") from error
        except (ValueError, RecursionError) as error:
            raise CommandError(f"{file} is no JSON text in UTF-8.") from error
        try:
            counts = import_accounts(document)
        except ImportRefused as refused:
            told = refused.errors[:ERRORS_TOLD]
            more = len(refused.errors) - len(told)
            rest = [f"and {more} more"] if more else []
            raise CommandError("\n".join(["Nothing was imported:", *told, *rest])) from None
        for name, count in counts.items():
            self.stdout.write(
                f"{name}: {count.created} created, {count.changed} changed, {count.unchanged} unchanged"
            )
