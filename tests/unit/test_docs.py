"""The documents: what they show can be read by a machine, their links lead somewhere, their tables agree with the code."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from cache_streams.management.commands.export_docs import TABLES, filled
from cache_streams.protocol.rpc.actions import ACTIONS

ROOT = Path(settings.BASE_DIR)
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
decisions = pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    headings = HEADING.findall(prose(document.read_text(encoding="utf-8")))
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {each.replace(" ", "-") for each in words}


@documents
def test_every_fenced_block_is_what_it_says_it_is(document: Path) -> None:
    for language, block in FENCED.findall(document.read_text(encoding="utf-8")):
        if language == "python":
            ast.parse(block)
        elif language == "json":
            json.loads(block)
        elif language in {"sh", "bash"}:
            subprocess.run(["bash", "-n"], input=block.encode(), check=True, timeout=10)
        else:
            assert language == "mermaid"


@documents
def test_every_link_to_a_file_leads_to_it_and_to_its_heading(document: Path) -> None:
    for target in LINK.findall(prose(document.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_document_is_linked_from_another() -> None:
    linked = {
        (document.parent / target.partition("#")[0]).resolve()
        for document in DOCUMENTS
        for target in LINK.findall(document.read_text(encoding="utf-8"))
        if "://" not in target
    }
    pages = {page.resolve() for page in (ROOT / "docs").glob("*.md")}
    assert pages <= linked, pages - linked


@decisions
def test_a_decision_says_what_was_decided_and_what_was_rejected(decision: Path) -> None:
    text = decision.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert int(decision.stem.partition("-")[0]) == int(re.match(r"# (\d+)\. ", text)[1])  # type: ignore[index]  # no match fails
    for part in ("Status", "Context", "Decision", "Rejected", "Consequences"):
        assert re.search(rf"^(## )?{part}", text, re.MULTILINE), part


def test_the_generated_tables_are_current() -> None:
    call_command("export_docs", check=True)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_was_changed_by_hand_is_written_anew(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    for table in TABLES[name].values():
        assert table() in text
        assert filled(text.replace(table(), "| by hand |\n"), TABLES[name]) == text


@pytest.mark.parametrize("name", TABLES)
def test_a_document_without_a_place_for_its_table_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match="no place for the table"):
        filled("# Nothing\n", TABLES[name])


@pytest.mark.parametrize("action", ACTIONS)
def test_the_members_of_every_action_are_told(action: str) -> None:
    protocol = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    results = protocol.partition("### Results\n")[2].partition("\n### ")[0]
    assert f"`{action}`" in results
