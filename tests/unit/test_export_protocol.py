"""``export_protocol``: the documents agree with the code, and a change of either is noticed."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import msgspec
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from cache_streams.management.commands.export_protocol import DOCUMENT, TEXT
from cache_streams.protocol.native import requests


def check() -> None:
    call_command("export_protocol", check=True, stdout=io.StringIO())


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Copies of the documents in a project of their own."""
    for path in (DOCUMENT, TEXT):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(Path(settings.BASE_DIR) / path, tmp_path / path)
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
    return tmp_path


def test_the_documents_are_current() -> None:
    check()


def test_a_message_that_changed_is_noticed_in_both_documents(
    copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ping(msgspec.Struct, kw_only=True, frozen=True):
        """Ask for a sign of life, loudly."""

        loud: bool

    check()
    monkeypatch.setitem(requests.OPERATIONS, "ping", Ping)
    with pytest.raises(
        CommandError, match=r"asyncapi\.json, docs/protocol\.md: .*run `manage\.py export_protocol`"
    ):
        check()
    call_command("export_protocol", check=False, stdout=io.StringIO())
    assert "loudly" in (copies / TEXT).read_text(encoding="utf-8")
    check()


@pytest.mark.parametrize("path", [DOCUMENT, TEXT])
def test_a_document_that_somebody_edited_is_noticed(copies: Path, path: Path) -> None:
    text = (copies / path).read_text(encoding="utf-8")
    (copies / path).write_text(text.replace("Ask for a sign of life", "Ask"), encoding="utf-8")
    with pytest.raises(CommandError, match=str(path)):
        check()


def test_a_missing_document_is_noticed_and_written(copies: Path) -> None:
    (copies / DOCUMENT).unlink()
    with pytest.raises(CommandError, match=str(DOCUMENT)):
        check()
    call_command("export_protocol", check=False, stdout=io.StringIO())
    check()
