"""``export_protocol``: write the AsyncAPI document and the tables of the native protocol, or check them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from cache_streams.management.commands.export_docs import filled, table_text
from cache_streams.protocol.native import tables
from cache_streams.protocol.native.asyncapi import document

DOCUMENT, TEXT = Path("docs/asyncapi.json"), Path("docs/protocol.md")

TABLES: Mapping[str, Callable[[tables.Document], tables.Table]] = {
    "native streams": tables.streams_table,
    "native requests": tables.requests_table,
    "native frames": tables.frames_table,
    "native parts": tables.parts_table,
    "native objects": tables.objects_table,
    "native errors": tables.errors_table,
    "native limits": tables.limits_table,
}
"""What ``docs/protocol.md`` has between its markers, besides what ``export_docs`` writes."""


class Command(BaseCommand):
    """Write both; ``--check`` writes nothing and fails when one differs."""

    help = "Write docs/asyncapi.json and the native tables of docs/protocol.md, or check that they agree with the code."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="write nothing; fail when a document differs"
        )

    def handle(self, *args: Any, check: bool, **options: Any) -> None:  # Any: Django's signature
        """Write, or check. Raises: CommandError."""
        stale = []
        for path, made in ((DOCUMENT, _json), (TEXT, _text)):
            file = Path(settings.BASE_DIR) / path
            found = file.read_text(encoding="utf-8") if file.exists() else ""
            wanted = made(found)
            if wanted != found:
                stale.append(str(path))
                if not check:
                    file.write_text(wanted, encoding="utf-8")
        if check and stale:
            raise CommandError(f"{', '.join(stale)}: not what the code says; run `manage.py export_protocol`")
        self.stdout.write(
            f"{'written' if stale else 'current'}: {', '.join(stale or map(str, (DOCUMENT, TEXT)))}"
        )


def _json(_found: str) -> str:
    return msgspec.json.format(msgspec.json.encode(document()), indent=1).decode() + "\n"


def _text(found: str) -> str:
    told = document()
    return filled(found, {name: partial(_table, table, told) for name, table in TABLES.items()})


def _table(table: Callable[[tables.Document], tables.Table], told: tables.Document) -> str:
    made = table(told)
    return table_text(made.head, made.rows)
