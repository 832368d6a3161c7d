"""Credentials of a person on this machine: a file that nobody else can read, replaced as a whole."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cache_streams.client.command.exits import Exit, Stopped

NAME = "credentials.json"


@dataclass(frozen=True, slots=True)
class Login:
    """What ``login`` got: ``access`` opens sockets, ``refresh`` gets the next pair and is good once."""

    mail: str
    access: str
    refresh: str


def home() -> Path:
    """Return the directory of the file: ``FULLON_STREAM_HOME``, else below the person's configuration."""
    given = os.environ.get("FULLON_STREAM_HOME")
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(given) if given else Path(base) / "fullon-stream"


class Store:
    """The logins in one file, by address of the gateway."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or home()
        self.path = self._directory / NAME

    def get(self, gateway: str) -> Login | None:
        """Return the login at a gateway. Raises: Stopped when the file is not readable for its owner alone, or broken."""
        found = self._read().get(gateway)
        return None if found is None else Login(**found)

    def put(self, gateway: str, login: Login | None) -> None:
        """Keep a login, or forget it."""
        logins = self._read()
        logins.pop(gateway, None)
        if login is not None:
            logins[gateway] = asdict(login)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, written = tempfile.mkstemp(dir=self._directory)  # readable for its owner alone
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(logins, file, indent=1)
        Path(written).replace(self.path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time renew: a refresh token that is used twice ends its whole login."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._directory / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            with self.path.open(encoding="utf-8") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise Stopped(
                        Exit.NOT_AUTHORIZED,
                        f"{self.path}: others may read it; run chmod 600 on it, or login again",
                    )
                logins: dict[str, dict[str, str]] = json.load(file)
        except FileNotFoundError:
            return {}
        except ValueError:
            raise Stopped(Exit.NOT_AUTHORIZED, f"{self.path} is damaged; remove it and login again") from None
        return logins
