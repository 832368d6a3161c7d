"""Runs a command and ends as ``Exit`` says: each failure is one sentence, never a traceback."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from cache_streams.client.command import doctor, login, publish, snapshot, tail, top
from cache_streams.client.command.exits import Exit, Stopped
from cache_streams.client.command.output import Colour, Output
from cache_streams.client.command.parser import PROGRAM, parser
from cache_streams.client.command.session import Session
from cache_streams.client.command.store import Store
from cache_streams.client.errors import ClientError, ConnectionLost, NotAuthorized, RequestRefused, RestFailed
from cache_streams.client.url import stream_url

Command: TypeAlias = Callable[[Session, argparse.Namespace, Output], Awaitable[None]]
COMMANDS: dict[str, Command] = {
    "login": login.login,
    "logout": login.logout,
    "tail": tail.tail,
    "snapshot": snapshot.snapshot,
    "replay": tail.replay,
    "publish": publish.publish,
    "top": top.top,
    "doctor": doctor.doctor,
}
_CODES: dict[type[Exception], Exit] = {
    NotAuthorized: Exit.NOT_AUTHORIZED,
    ConnectionLost: Exit.NO_CONNECTION,
    RequestRefused: Exit.REFUSED,
    ValueError: Exit.USAGE,
}
_STATUSES = {401: Exit.NOT_AUTHORIZED, None: Exit.NO_CONNECTION}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    asked = parser().parse_args(arguments)
    output = Output(as_json=getattr(asked, "json", False))
    try:
        stream_url(asked.url)
        if asked.command == "login":
            login.prompt(asked, output)
        asyncio.run(_run(asked, output))
    except KeyboardInterrupt:
        output.clear()
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output had enough; without this the interpreter would complain while it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except (Stopped, ClientError, ValueError) as fault:
        with suppress(BrokenPipeError):
            output.remark(f"{PROGRAM}: {fault}", Colour.WARNING)
        return _code(fault)
    output.clear()
    return Exit.DONE


async def _run(asked: argparse.Namespace, output: Output) -> None:
    task = asyncio.current_task()
    if task is not None:
        # A stop by the system ends it as Ctrl-C does: the terminal and the socket are left as they were found.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await COMMANDS[asked.command](Session(asked.url, Store()), asked, output)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _code(fault: Exception) -> Exit:
    if isinstance(fault, Stopped):
        return fault.code
    if isinstance(fault, RestFailed):
        return _STATUSES.get(fault.status, Exit.REFUSED)
    return next((code for kind, code in _CODES.items() if isinstance(fault, kind)), Exit.PROBLEM)
