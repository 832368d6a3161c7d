"""The few Redis commands that readings ask for, over plain dictionaries: readers do no I/O, so neither do their tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis.exceptions import ResponseError

from cache_streams.sources.readers import Command, Reading
from cache_streams.streams.declaration import Record

WRONG_TYPE = ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")

Stored = dict[str, Any]  # Any: a list, a dict or bytes, as the key's Redis type has it


class Interpreter:
    """Answers readings from ``keys``; ``between`` is called before each round but the first, as a writer in between."""

    def __init__(self, **keys: object) -> None:
        self.keys: Stored = dict(keys)
        self.rounds: list[list[Command]] = []

    def run(self, reading: Reading, between: Callable[[int], None] = lambda _round: None) -> list[Record]:
        """Return what ``reading`` returns."""
        try:
            commands = next(reading)
            while True:
                if self.rounds:
                    between(len(self.rounds))
                self.rounds.append(commands)
                commands = reading.send([self.answer(command) for command in commands])
        except StopIteration as stop:
            self.rounds = []
            records: list[Record] = stop.value
            return records

    def answer(self, command: Command) -> Any:  # Any: as Redis answers
        """Return the reply to one command; a wrong type's error in its place."""
        name, key, *arguments = command
        stored = self.keys.get(str(key))
        match name, stored:
            case ("LRANGE", None | list()):
                start, stop = (int(argument) for argument in arguments)
                elements = stored or []
                first = start if start >= 0 else max(len(elements) + start, 0)
                last = stop if stop >= 0 else len(elements) + stop
                return elements[first : last + 1]
            case ("LLEN", None | list()):
                return len(stored or [])
            case ("HGETALL", None | dict()):
                return dict(stored or {})
            case ("HMGET", None | dict()):
                return [(stored or {}).get(field) for field in arguments]
            case ("GET", None | bytes()):
                return stored
        return WRONG_TYPE
