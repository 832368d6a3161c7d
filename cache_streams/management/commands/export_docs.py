"""``export_docs``: write what the code is the source of, or check it: tables of documents, types of the TypeScript client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from prometheus_client.metrics import MetricWrapperBase

from accounts import metrics as account_metrics
from cache_streams import metrics
from cache_streams.derived import OPEN_SOCKETS
from cache_streams.protocol.close_codes import CLOSES, Family
from cache_streams.protocol.rpc.actions import ACTIONS, SYNONYMS, Action, Answer
from cache_streams.protocol.rpc.params import Params
from cache_streams.protocol.strict_json import Json

Shown = TypeVar("Shown")

BEGIN, END = "<!-- generated: {} -->", "<!-- end of generated: {} -->"


class Command(BaseCommand):
    """Replace what stands between the markers; ``--check`` writes nothing and fails when something differs."""

    help = "Write the generated tables of docs/, or check that they agree with the code."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail when a table differs")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:  # Any: Django's signature
        """Write, or check. Raises: CommandError."""
        stale = []
        for name, tables in TABLES.items():
            path = Path(settings.BASE_DIR) / "docs" / name
            text = path.read_text(encoding="utf-8")
            current = filled(text, tables)
            if current != text:
                stale.append(f"docs/{name}")
                if not check:
                    path.write_text(current, encoding="utf-8")
        if check and stale:
            raise CommandError(
                f"{', '.join(stale)}: tables differ from the code; run `manage.py export_docs`"
            )
        call_command("export_typescript", check=check, stdout=self.stdout)
        self.stdout.write(f"{'written' if stale else 'current'}: {', '.join(stale or TABLES)}")


def filled(text: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """Return ``text`` with each table between its markers. Raises: CommandError when a marker is missing."""
    for name, table in tables.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise CommandError(f"no place for the table: {begin} … {end}")
        text = f"{before}{begin}\n{table()}{end}{after}"
    return text


def close_codes() -> str:
    """Return every way in which a socket ends."""
    families = list(Family)
    rows = (
        (
            str(close.code),
            f"`{close.reason}`" if close.reason else "",
            "all"
            if len(close.families) == len(families)
            else ", ".join(family.value for family in families if family in close.families),
            close.meaning,
            close.reconnect.value,
        )
        for close in CLOSES
    )
    return table_text(("code", "reason", "families", "meaning", "reconnect"), rows)


def actions() -> str:
    """Return every action of the RPC family, with its parameters as the code reads them."""
    rows = (
        (
            f"`{action.name}`",
            action.domain or "every",
            "query" if action.answer is Answer.QUERY else f"stream of `{action.update}`",
            ", ".join(f"`{other}`" for other, name in SYNONYMS.items() if name == action.name),
            "; ".join(_params(action)),
            f"`{action.not_found}`" if action.not_found else "",
        )
        for action in ACTIONS.values()
    )
    return table_text(("action", "endpoint", "answer", "other names", "params", "when not stored"), rows)


def kept_metrics() -> list[MetricWrapperBase]:
    """Return every counter, gauge and histogram that is kept as it happens."""
    return [
        metric
        for module in (metrics, account_metrics)
        for metric in vars(module).values()
        if isinstance(metric, MetricWrapperBase)
    ]


def metric_names() -> str:
    """Return every metric of the gateway and of the REST side."""
    families = [
        (family, metric._labelnames)  # noqa: SLF001  # prometheus_client tells labels nowhere else
        for metric in kept_metrics()
        for family in metric.describe()
    ]
    families += [(family, ()) for family in OPEN_SOCKETS.describe()]
    rows = [
        (
            f"`{family.name}{'_total' if family.type == 'counter' else ''}`",
            family.type,
            ", ".join(labels),
            family.documentation,
        )
        for family, labels in families
    ]
    return table_text(("metric", "type", "labels", "counts"), rows)


TABLES: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "protocol.md": {"close codes": close_codes, "actions": actions},
    "operations.md": {"metrics": metric_names},
}
"""What each document has between its markers."""


@dataclass(frozen=True, slots=True)
class _Param:
    names: tuple[str, ...]
    kind: str
    required: bool

    def __str__(self) -> str:
        spelled = " or ".join(f"`{name}`" for name in self.names)
        return f"{spelled} ({self.kind}{'' if self.required else ', optional'})"


class _Recorder(Params):
    """Parameters that hold something of every name, and remember what was asked for."""

    def __init__(self) -> None:
        super().__init__({})
        self.asked: dict[str, _Param] = {}

    def text(self, name: str, *synonyms: str) -> str:
        return self._note("text", (name, *synonyms), "x", required=True)

    def text_or_none(self, name: str, *synonyms: str) -> str | None:
        return self._note("text", (name, *synonyms), None)

    def identity(self, name: str, *synonyms: str) -> str:
        return self._note("text or integer", (name, *synonyms), "x", required=True)

    def identity_or_none(self, name: str, *synonyms: str) -> str | None:
        return self._note("text or integer", (name, *synonyms), None)

    def integer(self, name: str, *synonyms: str) -> int:
        return self._note("integer", (name, *synonyms), 1, required=True)

    def integer_or_none(self, name: str, *synonyms: str) -> int | None:
        return self._note("integer", (name, *synonyms), 1)

    def text_list(self, name: str) -> tuple[str, ...]:
        return self._note("list of texts", (name,), ())

    def as_given(self, name: str, *synonyms: str) -> Json:
        return self._note("as it was given", (name, *synonyms), "x")

    def _note(self, kind: str, names: tuple[str, ...], value: Shown, *, required: bool = False) -> Shown:
        self.asked.setdefault(names[0], _Param(names, kind, required))
        return value


def _params(action: Action) -> list[str]:
    recorder = _Recorder()
    action.query.read(recorder)
    return [str(param) for param in sorted(recorder.asked.values(), key=lambda param: not param.required)]


def table_text(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table as Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
