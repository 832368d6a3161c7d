"""The fenced blocks of the documents, and why some of them are not run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.live import BASE

DOCUMENTS = (BASE / "README.md", *sorted((BASE / "docs").glob("*.md")))
RUN = ("sh", "python", "json")
_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One block; ``reason`` stands in a comment above it when it cannot be run by a test."""

    place: str
    language: str
    text: str
    reason: str | None


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of all documents in these languages that are to be run."""
    return [block for block in _all() if block.language in languages and block.reason is None]


def _all() -> Iterator[Block]:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for found in _BLOCK.finditer(text):
            place = f"{document.relative_to(BASE)}:{text.count(chr(10), 0, found.start('language')) + 1}"
            yield Block(place, found["language"], found["text"], found["reason"])
