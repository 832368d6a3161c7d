"""``login`` and ``logout``: a pair of tokens for a mail and a password, kept in the store."""

from __future__ import annotations

import argparse
import getpass
import ipaddress
import sys
from urllib.parse import urlsplit

from cache_streams.client.command.exits import Exit, Stopped
from cache_streams.client.command.output import Colour, Output
from cache_streams.client.command.session import Session
from cache_streams.client.command.store import Login
from cache_streams.client.errors import RestFailed
from cache_streams.client.rest import ask
from cache_streams.client.url import rest_url


def prompt(asked: argparse.Namespace, output: Output) -> None:
    """Ask the person for what the command line left out; before there is a loop, so that Ctrl-C ends it at once."""
    if _in_the_clear(asked.url):
        output.remark(f"{asked.url} is not encrypted: the password can be read on its way", Colour.WARNING)
    asked.mail = asked.mail or _mail()
    asked.password = sys.stdin.readline().rstrip("\n") if asked.password_stdin else getpass.getpass()


async def login(session: Session, asked: argparse.Namespace, output: Output) -> None:
    """Keep what the gateway gives for a mail and a password. Raises: Stopped, RestFailed."""
    mail = asked.mail
    try:
        pair = await ask(rest_url(session.url, "/auth/token"), {"mail": mail, "password": asked.password})
    except RestFailed as refused:
        if refused.status in {400, 401, 422}:
            raise Stopped(
                Exit.NOT_AUTHORIZED, f"the gateway does not know this mail with this password ({refused})"
            ) from None
        raise
    session.store.put(session.name, Login(mail, pair["access"], pair["refresh"]))
    output.remark(f"logged in as {mail} at {session.name}; kept in {session.store.path}")


async def logout(session: Session, _asked: argparse.Namespace, output: Output) -> None:
    """End the login at the gateway and forget it here, also when the gateway cannot be asked. Raises: Stopped."""
    kept = session.store.get(session.name)
    if kept is None:
        raise Stopped(Exit.NOT_AUTHORIZED, f"there is no login at {session.name}")
    session.store.put(session.name, None)
    try:
        await ask(rest_url(session.url, "/auth/logout"), {"refresh": kept.refresh})
    except RestFailed as failed:
        output.remark(f"forgotten here, but the gateway could not be told: {failed}", Colour.WARNING)
    else:
        output.remark(f"logged out at {session.name}")


def _mail() -> str:
    sys.stderr.write("Mail: ")
    sys.stderr.flush()
    mail = sys.stdin.readline().strip()
    if not mail:
        raise Stopped(Exit.USAGE, "mail: nothing was given")
    return mail


def _in_the_clear(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme in {"https", "wss"} or parts.hostname == "localhost":
        return False
    try:
        return not ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return True
