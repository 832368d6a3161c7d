"""What a person writes, as it is understood: patterns, times, the command line itself."""

import argparse
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.client.command.exits import Exit, Stopped
from cache_streams.client.command.parser import parser
from cache_streams.client.command.tail import moment
from cache_streams.client.command.wishes import fields_of, pattern_of

NOW = datetime(2026, 1, 15, 12, 0, 0).astimezone().timestamp()
names = st.text("AB/:.[?", min_size=1, max_size=6)


@given(names, names)
def test_a_name_without_a_star_means_itself_whatever_is_in_it(name: str, other: str) -> None:
    assert pattern_of([name])(name)
    assert pattern_of([name])(other) == (name == other)


@given(names, names, names)
def test_a_star_means_any_characters(before: str, middle: str, after: str) -> None:
    assert pattern_of([f"{before}*{after}"])(before + middle + after)


def test_fields_are_joined_as_keys_are() -> None:
    meant = pattern_of(["kraken", "BTC/*"])
    assert meant("kraken:BTC/USDC:USDC")
    assert not meant("kraken:ETH/USDC")
    assert not meant("bitstamp:BTC/USDC")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1795221446.5", 1795221446.5),
        ("-90s", NOW - 90),
        ("10m", NOW - 600),
        ("-1.5h", NOW - 5400),
        ("-2d", NOW - 172800),
        ("9:30", NOW - 2.5 * 3600),
        ("11:59:30", NOW - 30),
        ("2026-01-15T11:00", NOW - 3600),
        ("aZ3.1795221446140-0", "aZ3.1795221446140-0"),
    ],
)
def test_a_moment_is_a_time_or_a_cursor(text: str, wanted: float | str) -> None:
    assert moment(text, NOW) == wanted


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "-5x", "2026-13-01"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(Stopped, match="no time and no cursor") as stopped:
        moment(text, NOW)
    assert stopped.value.code is Exit.USAGE


def test_fields_have_the_names_that_requests_use() -> None:
    assert fields_of("orders") == ("exchange", "account")
    assert fields_of("agents") == ("run",)


COMMANDS = ["login", "logout", "tail", "snapshot", "replay", "publish", "top", "doctor"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_with_examples_that_it_understands(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([command, "--help"])
    assert ended.value.code == Exit.DONE
    shown = capsys.readouterr().out
    assert f"  fullon-stream {command}" in shown or command == "doctor"
    assert "examples:" in shown


def test_help_lists_every_command_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--help"])
    shown = capsys.readouterr().out
    assert all(f"    {command} " in shown for command in COMMANDS)
    assert all(f"  {code.value:>3}  {code.meaning}" in shown for code in Exit)


@pytest.mark.parametrize(
    "arguments",
    [[], ["dance"], ["tail"], ["replay", "trades", "kraken"], ["tail", "trades", "--interval-ms", "10"]],
)
def test_what_is_not_understood_is_a_mistake_of_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(arguments)
    assert ended.value.code == Exit.USAGE
    assert "usage:" in capsys.readouterr().err


def test_the_gateway_may_be_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FULLON_URL", "https://gateway.example")
    asked: argparse.Namespace = parser().parse_args(["doctor"])
    assert asked.url == "https://gateway.example"
