"""Watch live WebSocket streams of the cache: tickers, trades, orders or balances, authenticated with a JWT.

Usage, with the gateway running (make run):
    python examples/example_cache_websocket.py
    python examples/example_cache_websocket.py --stream trades --exchange kraken --symbol BTC/USDC --duration 30
    python examples/example_cache_websocket.py --stream orders --exchange kraken
    python examples/example_cache_websocket.py --stream balances --exchange-id 1
    python examples/example_cache_websocket.py --auth-demo    (shows first that no token and a bad token get 401)

Endpoints (each pushes one flat JSON object per message; nothing has to be asked for):
    {WS_BASE_URL}/ws/tickers/{exchange}/{symbol}?token={jwt}
    {WS_BASE_URL}/ws/trades/{exchange}/{symbol}?token={jwt}
    {WS_BASE_URL}/ws/orders/{exchange}?token={jwt}
    {WS_BASE_URL}/ws/balances/{exchange_id}?token={jwt}

Settings come from the environment, else from the server's own .env (ENV_FILE, or .env beside manage.py): JWT_SECRET_KEY
signs the token; WS_BASE_URL, else HOST and PORT, say where the gateway is. Messages go to stdout, the log to stderr.
Exit code: 0 after --duration seconds or Ctrl-C, 1 when there is no gateway or it refuses, 2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import random
import sys
import time
import urllib.request
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, urlsplit

import jwt
import structlog
import websockets
from dotenv import dotenv_values

Message: TypeAlias = dict[str, object]

ENV_FILE = Path(os.environ.get("ENV_FILE") or Path(__file__).resolve().parent.parent / ".env")
WS_BASE_URL = "ws://localhost:8000/api/v1/cache"
TOKEN_LIFETIME_S, HEALTH_TIMEOUT_S = 3600, 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S, FAILURES_COUNTED = 0.25, 8.0, 16
LARGEST = 1e100
FINAL_STATUS = range(400, 500)  # the gateway understood and said no: asking again changes nothing

logger = structlog.get_logger("fullon.examples.cache_websocket")


class Failed(Exception):
    """The example cannot go on; the text is one sentence for the person at the terminal."""


class BadMessage(Exception):
    """A message that is not what its stream promises; the text names the field and the rule."""


def setting(name: str) -> str | None:
    """Return a setting as the server reads it: the environment wins over .env; empty, None and null mean unset."""
    text_set = (os.environ[name] if name in os.environ else dotenv_values(ENV_FILE).get(name) or "").strip()
    return None if text_set.lower() in {"", "none", "null"} else text_set


def configured_base_url(default: str) -> str:
    """Return where the sockets are: WS_BASE_URL, else HOST and PORT, else ``default``."""
    url, host, port = setting("WS_BASE_URL"), setting("HOST"), setting("PORT")
    if url or not (host or port):
        return (url or default).rstrip("/")
    host = "localhost" if host in {None, "0.0.0.0", "::"} else host  # the two are addresses to listen on only
    return f"ws://{f'[{host}]' if ':' in str(host) else host}:{port or 8000}/api/v1/cache"


WS_BASE_URL = configured_base_url(WS_BASE_URL)


def generate_demo_token() -> str:
    """Return a token of user 1 that lives an hour, signed with the server's own secret. Raises: Failed."""
    secret = setting("JWT_SECRET_KEY")
    if secret is None:
        raise Failed(f"JWT_SECRET_KEY is not in the environment nor in {ENV_FILE}: `make install` writes it.")
    mail = setting("ADMIN_MAIL") or "admin@fullon"
    claims = {"sub": mail, "user_id": 1, "email": mail, "scopes": ["read"]}
    expires_at = int(time.time()) + TOKEN_LIFETIME_S
    logger.info("demo token generated", user_id=1, lifetime_s=TOKEN_LIFETIME_S)  # never the token itself
    return jwt.encode({**claims, "exp": expires_at}, secret, algorithm=setting("JWT_ALGORITHM") or "HS256")


def read_message(frame: str | bytes) -> Message:
    """Return the object in one frame. Raises: BadMessage."""
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):
        raise BadMessage(f"message: must be JSON, is {frame[:80]!r}") from None
    if not isinstance(message, dict):
        raise BadMessage(f"message: must be an object, is {frame[:80]!r}")
    return message


def number(message: Message, name: str, default: float | None = 0.0) -> float:
    """Return a finite number; without a default the field is required. Raises: BadMessage."""
    value = message.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST < value < LARGEST:
        raise BadMessage(f"{name}: must be a finite number, is {value!r:.80}")
    return value


def text(message: Message, name: str, default: str | None = "-") -> str:
    """Return a text; without a default the field is required. Raises: BadMessage."""
    value = message.get(name, default)
    if not isinstance(value, str):
        raise BadMessage(f"{name}: must be a text, is {value!r:.80}")
    return value


def clock(message: Message, name: str) -> str:
    """Return Unix seconds as time of day in UTC. Raises: BadMessage."""
    seconds = number(message, name, None)
    try:
        return time.strftime("%H:%M:%S", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        raise BadMessage(f"{name}: must be Unix seconds, is {seconds!r}") from None


def show_ticker(message: Message) -> str:
    bid, ask, volume = (number(message, name) for name in ("bid", "ask", "volume"))
    price = f"price={number(message, 'price', None):,.2f} bid={bid:,.2f} ask={ask:,.2f} volume={volume:,.4f}"
    return f"{clock(message, 'time')} ticker {text(message, 'symbol')} {price}"


def show_trade(message: Message) -> str:
    price = f"price={number(message, 'price', None):,.2f} volume={number(message, 'volume'):,.6f}"
    return f"{clock(message, 'timestamp')} trade {text(message, 'symbol')} {text(message, 'side').upper()} {price}"


def show_order(message: Message) -> str:
    what = f"{text(message, 'symbol')} {text(message, 'side')} volume={number(message, 'volume'):,.6f}"
    return f"order {text(message, 'order_id', None)} {what} status={text(message, 'status')}"


def show_balances(message: Message) -> str:
    lines = []
    for currency, held in message.items():
        if isinstance(held, dict):  # what is no object is bookkeeping
            total, free, used = (number(held, name) for name in ("total", "free", "used"))
            lines.append(f"balance {currency} total={total:,.8f} free={free:,.8f} used={used:,.8f}")
    return "\n".join(lines)


async def frames_of(path: str) -> AsyncGenerator[str | bytes, None]:
    """Yield what the gateway sends on ``path``, for ever: a lost connection is made again after a growing, random pause.

    Raises: Failed, when the gateway refuses.
    """
    failures = 0
    while True:
        token = generate_demo_token()  # a new one: the end of the last may have ended the connection
        try:
            async with websockets.connect(f"{WS_BASE_URL}{path}?token={token}", close_timeout=2) as socket:
                logger.info("connected", stream=path)
                async for frame in socket:
                    yield frame
                    failures = 0
                logger.warning("closed by the gateway", code=socket.close_code, reason=socket.close_reason)
        except (OSError, websockets.WebSocketException) as error:
            if isinstance(error, websockets.InvalidStatus) and error.response.status_code in FINAL_STATUS:
                reason = bytes(error.response.body or b"").decode(errors="replace")
                raise Failed(f"The gateway refuses {path}: {error} {reason}") from None
            logger.warning("connection lost", error=str(error).replace(token, "[token]"))
        pause_s = min(FIRST_PAUSE_S * 2**failures, LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        failures = min(failures + 1, FAILURES_COUNTED)
        logger.info("connecting again", pause_s=round(pause_s, 2))
        await asyncio.sleep(pause_s)


async def watch(path: str, show: Callable[[Message], str], duration: float) -> int:
    """Show the messages of one stream for ``duration`` seconds; return how many. Raises: Failed."""
    shown = skipped = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(duration), aclosing(frames_of(path)) as frames:
            async for frame in frames:
                try:
                    print(show(read_message(frame)), flush=True)
                    shown += 1
                except BadMessage as bad:
                    skipped += 1
                    logger.warning("bad message skipped", stream=path, problem=str(bad))
    logger.info("stream ended", stream=path, messages=shown, skipped=skipped)
    return shown


async def stream_tickers(exchange: str = "kraken", symbol: str = "BTC/USDC", duration: float = 10) -> int:
    """Show the ticks of one market for ``duration`` seconds; return how many."""
    return await watch(f"/ws/tickers/{quote(exchange, '')}/{quote(symbol)}", show_ticker, duration)


async def stream_trades(exchange: str = "kraken", symbol: str = "BTC/USDC", duration: float = 10) -> int:
    """Show the trades of one market for ``duration`` seconds; return how many."""
    return await watch(f"/ws/trades/{quote(exchange, '')}/{quote(symbol)}", show_trade, duration)


async def stream_orders(exchange: str = "kraken", duration: float = 10) -> int:
    """Show the orders on one exchange for ``duration`` seconds; return how many messages came."""
    return await watch(f"/ws/orders/{quote(exchange, '')}", show_order, duration)


async def stream_balances(exchange_id: int = 1, duration: float = 10) -> int:
    """Show the balances of one exchange account for ``duration`` seconds; return how many messages came."""
    return await watch(f"/ws/balances/{exchange_id}", show_balances, duration)


async def demonstrate_auth_failure(exchange: str = "kraken", symbol: str = "BTC/USDC") -> bool:
    """Connect without a token and with a bad one; return whether both were refused with 401."""
    url, refusals = f"{WS_BASE_URL}/ws/tickers/{quote(exchange, '')}/{quote(symbol)}", []
    for case, query in (("without a token", ""), ("with a bad token", "?token=invalid.jwt.token")):
        try:
            async with websockets.connect(url + query, close_timeout=2):
                outcome, refused = "connected, which it must not", False
        except (OSError, websockets.WebSocketException) as error:
            outcome, refused = str(error), "401" in str(error) or "Unauthorized" in str(error)
        refusals.append(refused)
        print(f"{'as expected' if refused else 'WRONG'}: {case}: {outcome}", flush=True)
        logger.info("authentication demonstrated", case=case, refused=refused)
    return all(refusals)


def check_health() -> None:
    """Return when a gateway answers at the address of the sockets. Raises: Failed."""
    base = urlsplit(WS_BASE_URL)
    if base.scheme not in {"ws", "wss"} or not base.hostname:
        raise Failed(f"WS_BASE_URL={WS_BASE_URL!r} must be ws://host[:port]/path or wss://host[:port]/path.")
    url = f"{base.scheme.replace('ws', 'http', 1)}://{base.netloc}/health"
    try:
        with urllib.request.urlopen(url, timeout=HEALTH_TIMEOUT_S) as answer:  # noqa: S310 - http(s), see above
            logger.info("gateway found", url=url, status=read_message(answer.read()).get("status"))
    except (OSError, http.client.HTTPException, ValueError, BadMessage) as error:
        raise Failed(f"No gateway answers at {url} ({error}): start one with `make run`.") from None


async def main(  # noqa: PLR0917 - the published signature
    stream_type: str = "tickers",
    exchange: str = "kraken",
    symbol: str = "BTC/USDC",
    exchange_id: int = 1,
    duration: float = 10,
    show_auth_demo: bool = False,  # noqa: FBT001, FBT002 - as above
) -> int:
    """Look for the gateway, demonstrate authentication if asked to, stream; return the exit code."""
    try:
        await asyncio.to_thread(check_health)
        if show_auth_demo and not await demonstrate_auth_failure(exchange, symbol):
            return 1
        if stream_type == "tickers":
            shown = await stream_tickers(exchange, symbol, duration)
        elif stream_type == "trades":
            shown = await stream_trades(exchange, symbol, duration)
        elif stream_type == "orders":
            shown = await stream_orders(exchange, duration)
        else:
            shown = await stream_balances(exchange_id, duration)
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    if not shown:
        logger.warning("no message came", hint="is anything written for this subject, and may user 1 see it?")
    return 0


def run() -> int:
    """Read the command line, log to stderr as key=value, stream until the time is over or Ctrl-C comes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stream", choices=("tickers", "trades", "orders", "balances"), default="tickers")
    parser.add_argument("--exchange", default="kraken")
    parser.add_argument("--symbol", default="BTC/USDC")
    parser.add_argument("--exchange-id", type=int, default=1, help="account whose balances are shown")
    parser.add_argument("--duration", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--auth-demo", action="store_true", help="first show how bad tokens are refused")
    given = parser.parse_args()
    if not 0 < given.duration < LARGEST:
        parser.error(f"argument --duration: must be a number of seconds above 0, is {given.duration}")
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    lines = structlog.processors.LogfmtRenderer(bool_as_flag=False, key_order=["timestamp", "level", "event"])
    structlog.configure(
        processors=[structlog.processors.add_log_level, stamp, lines],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    wanted = (given.stream, given.exchange, given.symbol, given.exchange_id, given.duration, given.auth_demo)
    with suppress(KeyboardInterrupt):  # by then asyncio has closed the socket
        return asyncio.run(main(*wanted))
    return 0


if __name__ == "__main__":
    sys.exit(run())
