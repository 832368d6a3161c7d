"""What the command line takes, and how it explains itself."""

from __future__ import annotations

import argparse
import os

from cache_streams.client.command.exits import Exit
from cache_streams.client.command.session import DEFAULT_URL, KEY_VARIABLE, TOKEN_VARIABLE, URL_VARIABLE
from cache_streams.streams import by_name

PROGRAM = "fullon-stream"
STREAMS = ", ".join(by_name)
_EXAMPLES = {
    "": "login\ntail tickers kraken 'BTC/*'\nsnapshot trades kraken BTC/USDC --json\ntop\ndoctor",
    "login": "login\nlogin --mail bot@example.com --password-stdin < password.txt",
    "logout": "logout",
    "tail": "tail tickers kraken 'BTC/*'\ntail trades '*' BTC/USDC --count 100\ntail orders kraken --json | jq .data\n"
    "tail tickers kraken --mode sample --interval-ms 1000",
    "snapshot": "snapshot tickers kraken\nsnapshot accounts --json",
    "replay": "replay trades kraken BTC/USDC --from 14:30 --speed 60\nreplay tickers kraken --from 2026-01-15T10:00 --to-live\n"
    "replay trades kraken --from 10m",
    "publish": "publish tickers kraken BTC/USDC '{\"price\": 50000.5}'\npublish trades kraken BTC/USDC < trades.ndjson\n"
    'publish agents new \'{"agent_name": "scout", "task": "look at BTC"}\'\n'
    'publish agents RUN \'{"type": "agent_thinking", "message": "half way"}\'',
    "top": "top\ntop kraken bitstamp",
    "doctor": "doctor\nFULLON_API_KEY=… doctor --url https://gateway.example",
}
_KEYS = (
    "what of the stream: tickers and trades EXCHANGE SYMBOL, orders EXCHANGE ACCOUNT, accounts and positions ACCOUNT, "
    "bots BOT, ohlcv SYMBOL TIMEFRAME, process TYPE, agents RUN; * stands for anything, what is left out for all"
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    codes = "\n".join(f"  {exit_.value:>3}  {exit_.meaning}" for exit_ in Exit)
    variables = (
        f"  {URL_VARIABLE}  the gateway, unless --url names it\n  {TOKEN_VARIABLE}, {KEY_VARIABLE}  credentials; before those of login\n"
        "  FULLON_STREAM_HOME  where login keeps credentials (else ~/.config/fullon-stream)\n  NO_COLOR  no colours"
    )
    whole = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Follow, ask and examine a gateway of live trading data.",
        epilog=f"{_examples('')}\n\nenvironment:\n{variables}\n\nexit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    login = _command(commands, "login", "get credentials and keep them where only you can read them")
    login.add_argument("--mail", help="who you are; asked for if left out")
    login.add_argument(
        "--password-stdin", action="store_true", help="read the password from the first line of stdin"
    )
    _command(commands, "logout", "end the login, at the gateway and here")
    _following(_keyed(_command(commands, "tail", "show the state, then every change, until Ctrl-C")))
    _keyed(_command(commands, "snapshot", "show the state once"))
    _replaying(_keyed(_command(commands, "replay", "show again what happened, at its own pace or faster")))
    publish = _command(
        commands, "publish", "write values as collectors do, or events of an agent's run; needs the right to"
    )
    publish.add_argument("stream", help=STREAMS)
    publish.add_argument(
        "words", nargs="*", metavar="KEY… [JSON]", help=f"{_KEYS}; then the value, else one per line of stdin"
    )
    _command(
        commands,
        "top",
        "a live table of markets with age and rate, and of streams with lag; q or Ctrl-C ends it",
    ).add_argument("exchanges", nargs="*", metavar="EXCHANGE", help="whose markets; all if left out")
    what_is_examined = "examine address, credentials, clock, latency and permissions, and say what is wrong"
    _command(commands, "doctor", what_is_examined)
    return whole


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, says: str
) -> argparse.ArgumentParser:  # argparse names the type of its own result privately
    made = commands.add_parser(
        name, help=says, description=says[0].upper() + says[1:] + ".", epilog=_examples(name),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    made.add_argument(
        "--url",
        default=os.environ.get(URL_VARIABLE) or DEFAULT_URL,
        help="the gateway's address (default: %(default)s)",
    )
    return made


def _keyed(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("stream", help=STREAMS)
    command.add_argument("key", nargs="*", help=_KEYS)
    command.add_argument("--json", action="store_true", help="one JSON object per line, for programs")
    return command


def _following(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--mode",
        choices=["every", "latest", "sample"],
        help="what a slow reader may miss; each stream has its own default",
    )
    command.add_argument(
        "--interval-ms",
        type=_number(50, 60_000),
        metavar="MS",
        help="with --mode sample: the pace, 50 to 60000",
    )
    command.add_argument("--since", metavar="CURSOR", help="continue after a cursor that --json told")
    command.add_argument("--no-snapshot", action="store_true", help="begin with the next change")
    command.add_argument("--count", type=_number(1, 10**12), metavar="N", help="end after so many messages")


def _replaying(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--from", dest="begin", required=True, metavar="WHEN",
        help="a cursor, Unix seconds, an ISO time, a time of today (14:30), or so long ago (90s, 10m, 2h)",
    )  # fmt: skip
    command.add_argument(
        "--speed", type=_number(1, 1000), default=1, metavar="N", help="1 to 1000 times as fast (default: 1)"
    )
    command.add_argument(
        "--to-live", action="store_true", help="go on with live changes instead of ending there"
    )


def _number(least: int, most: int) -> type[int]:
    def read(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"must be {least} to {most}")
        return number

    return read  # type: ignore[return-value]  # argparse calls it as it would a type


def _examples(name: str) -> str:
    return "examples:\n" + "\n".join(f"  {PROGRAM} {line}" for line in _EXAMPLES[name].splitlines())
