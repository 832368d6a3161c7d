"""Follow the trades of an exchange over cuts and restarts, of the gateway and of this program: none is lost, none comes twice.

Usage: TOKEN=$(python manage.py token --user admin@fullon) python examples/resume_after_restart.py kraken BTC/USDC places.json

The file keeps from where to continue; stop the program with Ctrl-C and start it again, or restart the gateway meanwhile.
"""

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from cache_streams.client import State, connect

URL = os.environ.get("GATEWAY_URL", "http://localhost:8000")


def told(state: State) -> None:
    """Say on stderr what the connection does."""
    print(f"{state.name} {state.reason}".strip(), file=sys.stderr, flush=True)


def known(places: Path) -> str | None:
    """Return from where to continue, None at the first start."""
    return str(json.loads(places.read_text())) if places.exists() else None


def keep(places: Path, cursor: str) -> None:
    """Keep a place as a whole: a program that is killed meanwhile leaves the one before."""
    written = places.with_suffix(".new")
    written.write_text(json.dumps(cursor))
    written.replace(places)


async def follow(exchange: str, symbol: str, places: Path, token: str) -> None:
    """Print each trade once; a place is kept only after what stands before it was printed."""
    since = known(places)
    async with connect(URL, token=token, on_state=told, connect_timeout_s=None) as gateway:
        async for message in gateway.trades(exchange, symbol, since=since):
            if message.recovered is False:
                print("what happened meanwhile is gone; this is the state", file=sys.stderr, flush=True)
            trades = message.data if isinstance(message.data, list) else [message.data]
            for trade in trades:
                if trade is not None:
                    print(trade.trade_id, trade.price, flush=True)
            if message.cursor is not None and not message.more:
                keep(places, message.cursor)


if __name__ == "__main__":
    if "TOKEN" not in os.environ or len(sys.argv) != 4:  # noqa: PLR2004  # exchange, symbol, file
        sys.exit(f"TOKEN, an exchange, a symbol and a file are needed. {__doc__}")
    with suppress(KeyboardInterrupt):
        asyncio.run(follow(sys.argv[1], sys.argv[2], Path(sys.argv[3]), os.environ["TOKEN"]))
