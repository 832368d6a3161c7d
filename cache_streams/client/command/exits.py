"""How the command line ends: exit codes that scripts can rely on."""

from __future__ import annotations

import enum
from typing import Self


class Exit(enum.IntEnum):
    """Exit codes; the comment beside each is what ``--help`` says of it."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    DONE = 0, "done, or the reader of the output had enough"
    PROBLEM = 1, "doctor found something wrong, or a request failed for a reason of its own"
    USAGE = 2, "the command line cannot be understood"
    NOT_AUTHORIZED = 3, "no credentials, or the gateway refuses them: run login"
    NO_CONNECTION = 4, "no connection to the gateway"
    REFUSED = 5, "the gateway refuses the request"
    INTERRUPTED = 130, "ended by Ctrl-C or SIGTERM"


class Stopped(Exception):
    """The command ends here: with this code, and this sentence for the person."""

    def __init__(self, code: Exit, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
