"""``snapshot``: the state once."""

from __future__ import annotations

import argparse

from cache_streams.client.command.lines import Lines
from cache_streams.client.command.output import Output, plain
from cache_streams.client.command.session import Session
from cache_streams.client.command.wishes import named


async def snapshot(session: Session, asked: argparse.Namespace, output: Output) -> None:
    """Show what the keys hold. Raises: Stopped, ClientError."""
    lines = Lines(output)
    async with session.gateway() as gateway:
        output.progress("asking for the state")
        wanted = await named(gateway, asked.stream, asked.key)
        told = await gateway.snapshot(wanted.stream, **wanted.key)
    shown = [message for message in told if wanted.shown(message.key)]
    for message in shown:
        if output.as_json:
            output.json(plain(message))
        else:
            for line in lines.of(message):
                output.line(line)
    if not shown:
        output.remark(f"{asked.stream}: nothing of that name holds anything")
