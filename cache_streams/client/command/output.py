"""What a person or a program reads: lines on stdout, remarks on stderr, colours on a terminal alone."""

from __future__ import annotations

import enum
import json
import os
import sys
import time
from typing import Any, TextIO

import msgspec

from cache_streams.client.messages import Message

PROGRESS_EVERY_S = 0.2


class Colour(enum.Enum):
    """Meanings that have a colour."""

    UP = "32"
    DOWN = "31"
    DIM = "2"
    BOLD = "1"
    WARNING = "33"


def coloured(stream: TextIO) -> bool:
    """Whether a stream is a terminal whose reader wants colours."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Output:
    """Writes lines; those of stdout at once, so that a pipe sees them when they happen."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._colours, self._remark_colours = coloured(sys.stdout), coloured(sys.stderr)
        self._shown_at = 0.0
        self._progress = False

    def line(self, text: str) -> None:
        """Write a line for whoever reads stdout."""
        self.clear()
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def json(self, value: Any) -> None:  # Any: JSON
        """Write an object as one line."""
        self.line(json.dumps(value, ensure_ascii=False))

    def remark(self, text: str, colour: Colour = Colour.DIM) -> None:
        """Write a sentence for the person, beside the output."""
        self.clear()
        sys.stderr.write(paint(text, colour, wanted=self._remark_colours) + "\n")
        sys.stderr.flush()

    def progress(self, text: str) -> None:
        """Show how far long work is, in place; only to a terminal, and a few times a second."""
        if not sys.stderr.isatty() or time.monotonic() - self._shown_at < PROGRESS_EVERY_S:
            return
        self._shown_at, self._progress = time.monotonic(), True
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take progress away."""
        if self._progress:
            self._progress = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def paint(self, text: str, colour: Colour) -> str:
        """Return a text of stdout in a colour."""
        return paint(text, colour, wanted=self._colours)


def paint(text: str, colour: Colour, *, wanted: bool) -> str:
    """Return a text in a colour if that is wanted."""
    return f"\x1b[{colour.value}m{text}\x1b[0m" if wanted else text


def plain(message: Message[Any]) -> dict[str, Any]:  # Any: whichever stream, as JSON
    """Return a message as one JSON object; what it does not have is left out."""
    told: dict[str, Any] = msgspec.to_builtins(message)  # Any: as above
    kept = {"seq", "cursor", "data"}
    return {name: value for name, value in told.items() if name in kept or value not in (None, False, 0)}
