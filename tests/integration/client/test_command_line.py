"""The command line against a live gateway: what it shows, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache_streams.client.command.exits import Exit
from tests.e2e.running_example import closed_port
from tests.integration.cache_sockets import token_of
from tests.integration.client.command_line import Shell
from tests.integration.native.client import PLAIN
from tests.integration.wire.collector import Collector, fresh_account, fresh_name, trade
from tests.live import ADMIN_MAIL, PASSWORD, LiveServer, live_server

MARKET = "BTC/USDC"
PROGRESS = b"\r\x1b[K"
"""What stands before progress on a terminal, and takes it away."""


@pytest.fixture
def shell(live_server_process: LiveServer, tmp_path: Path) -> Shell:
    """A shell without credentials."""
    return Shell(live_server_process, tmp_path)


@pytest.fixture
def admin(shell: Shell) -> Shell:
    """A shell with an administrator's token in its environment."""
    shell.variables["FULLON_TOKEN"] = token_of(shell.server)
    return shell


def logged_in(shell: Shell) -> Path:
    done = shell.run("login", "--mail", ADMIN_MAIL, "--password-stdin", given=PASSWORD + "\n")
    assert done.returncode == Exit.DONE, done.stderr
    return shell.home / "credentials.json"


# -- credentials ------------------------------------------------------------------------------------------------------


def test_a_login_is_kept_where_nobody_else_can_read_it(shell: Shell) -> None:
    kept = logged_in(shell)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert shell.run("snapshot", "process").returncode == Exit.DONE


def test_no_output_of_login_holds_a_token_or_the_password(shell: Shell) -> None:
    done = shell.run("login", "--mail", ADMIN_MAIL, "--password-stdin", given=PASSWORD + "\n")
    shown = done.stdout + done.stderr
    kept = next(iter(json.loads((shell.home / "credentials.json").read_text()).values()))
    assert not [secret for secret in (kept["access"], kept["refresh"], f" {PASSWORD}") if secret in shown]


def test_a_wrong_password_is_told_in_a_sentence(shell: Shell) -> None:
    done = shell.run("login", "--mail", ADMIN_MAIL, "--password-stdin", given="wrong\n")
    assert (done.returncode, done.stdout) == (Exit.NOT_AUTHORIZED, "")
    assert "does not know this mail with this password" in done.stderr
    assert not (shell.home / "credentials.json").exists()


def test_a_token_that_ended_is_renewed_once_by_several_commands_at_once(shell: Shell) -> None:
    kept = logged_in(shell)
    logins = json.loads(kept.read_text())
    (login,) = logins.values()
    before = dict(login)
    login["access"] = token_of(shell.server, exp=1)
    kept.write_text(json.dumps(logins))
    together = [
        subprocess.Popen(
            Shell.command(("snapshot", "process", "--json")), env=shell.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for _ in range(3)
    ]  # fmt: skip
    assert [each.wait(60) for each in together] == [Exit.DONE] * 3
    (after,) = json.loads(kept.read_text()).values()
    assert after["refresh"] != before["refresh"]


def test_credentials_that_others_may_read_are_refused(shell: Shell) -> None:
    logged_in(shell).chmod(0o644)
    done = shell.run("snapshot", "process")
    assert done.returncode == Exit.NOT_AUTHORIZED
    assert "others may read it" in done.stderr


def test_after_logout_there_are_no_credentials(shell: Shell) -> None:
    kept = logged_in(shell)
    assert shell.run("logout").returncode == Exit.DONE
    assert json.loads(kept.read_text()) == {}
    done = shell.run("snapshot", "process")
    assert done.returncode == Exit.NOT_AUTHORIZED
    assert "run login" in done.stderr


# -- following and asking ---------------------------------------------------------------------------------------------


def test_tail_shows_the_state_and_then_each_change_as_json(admin: Shell, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, price=1.0)
    with admin.running(
        "tail", "tickers", exchange, MARKET, "--json", "--mode", "every", "--count", "3"
    ) as it:
        it.await_shown('"price": 1.0')
        for price in (2.0, 3.0):
            collector.tick(exchange, MARKET, price=price)
        assert it.ended() == Exit.DONE
        told = [json.loads(line) for line in it.plain.splitlines()]
    assert [(each["kind"], each["data"]["price"]) for each in told] == [
        ("snapshot", 1.0),
        ("update", 2.0),
        ("update", 3.0),
    ]
    assert all(each["key"] == f"{exchange}:{MARKET}" and each["cursor"] for each in told)


def test_tail_continues_after_a_cursor(admin: Shell, collector: Collector) -> None:
    exchange = fresh_name()
    with admin.running("tail", "trades", exchange, MARKET, "--json", "--count", "3") as it:
        it.await_shown('"snapshot"')
        collector.trades(exchange, MARKET, trade(1), trade(2))
        assert it.ended() == Exit.DONE
        told = [json.loads(line) for line in it.plain.splitlines()]
    collector.trades(exchange, MARKET, trade(3))
    since = next(each["cursor"] for each in told if each["seq"] == 1)
    done = admin.run("tail", "trades", exchange, MARKET, "--json", "--since", since, "--count", "2")
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [2, 3]


def test_a_star_inside_a_name_shows_those_markets_alone(admin: Shell, collector: Collector) -> None:
    exchange = fresh_name()
    for symbol in ("BTC/USDC", "BTC/EUR", "ETH/USDC"):
        collector.tick(exchange, symbol)
    with admin.running("tail", "tickers", exchange, "BTC/*", "--count", "2") as it:
        assert it.ended() == Exit.DONE
        assert sorted(line.split()[1] for line in it.plain.splitlines()) == [
            f"{exchange}:BTC/EUR",
            f"{exchange}:BTC/USDC",
        ]


def test_a_star_for_exchanges_names_each_that_matches(admin: Shell, collector: Collector) -> None:
    name = fresh_name("many")
    for exchange in (f"{name}.a", f"{name}.b"):
        collector.tick(exchange, MARKET)
    with admin.running("tail", "tickers", f"{name}.*", MARKET, "--count", "2") as it:
        assert it.ended() == Exit.DONE
        assert sorted(line.split()[1] for line in it.plain.splitlines()) == [
            f"{name}.a:{MARKET}",
            f"{name}.b:{MARKET}",
        ]


def test_a_snapshot_is_lines_for_people_and_objects_for_programs(admin: Shell, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, price=50000.5)
    with admin.running("tail", "tickers", exchange, MARKET) as it:
        it.await_shown("50000.5")  # so that the relay has read it
    people, programs = (admin.run("snapshot", "tickers", exchange, *more) for more in ((), ("--json",)))
    assert f"{exchange}:{MARKET} 50000.5 bid=" in people.stdout
    (told,) = map(json.loads, programs.stdout.splitlines())
    assert (told["kind"], told["data"]["price"]) == ("snapshot", 50000.5)


def test_a_snapshot_of_nothing_says_so_and_shows_nothing(admin: Shell) -> None:
    done = admin.run("snapshot", "tickers", fresh_name(), "--json")
    assert (done.returncode, done.stdout) == (Exit.DONE, "")
    assert "holds anything" in done.stderr


def test_a_run_is_started_and_reported_on(admin: Shell) -> None:
    run = admin.run(
        "publish", "agents", "new", '{"agent_name": "scout", "task": "look at BTC"}'
    ).stdout.strip()
    thoughts = "".join(
        json.dumps({"type": "agent_thinking", "reasoning": f"step {step}", "step_number": step}) + "\n"
        for step in (1, 2)
    )
    done = admin.run("publish", "agents", run, given=thoughts)
    assert (done.returncode, done.stdout) == (Exit.DONE, ""), done.stderr
    assert "2 published" in done.stderr
    with admin.running("tail", "agents") as it:
        it.await_shown(f"scout {run} agent_started: look at BTC", "step 1", "step 2")


def test_a_value_that_is_refused_names_field_and_rule(admin: Shell) -> None:
    run = admin.run("publish", "agents", "new", '{"agent_name": "scout", "task": "look"}').stdout.strip()
    done = admin.run("publish", "agents", run, '{"type": "agent_thinking"}')
    assert done.returncode == Exit.REFUSED
    assert "reasoning: Field required" in done.stderr


def test_a_replay_shows_the_past_and_ends_at_the_present(admin: Shell, collector: Collector) -> None:
    exchange = fresh_name()
    with admin.running("tail", "trades", exchange, MARKET, "--json") as it:
        it.await_shown('"snapshot"')
        collector.trades(exchange, MARKET, *(trade(number) for number in range(1, 6)))
        it.await_shown('"seq": 5')
    asked = ("replay", "trades", exchange, MARKET, "--from", "10m", "--speed", "1000")
    done = admin.run(*asked, "--json")
    assert (done.returncode, done.stderr) == (Exit.DONE, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["seq"], each["replay"]) for each in told if each["kind"] == "update"] == [
        (n, True) for n in range(1, 6)
    ]
    with admin.on_terminal(*asked) as it:
        assert it.ended() == Exit.DONE
        assert PROGRESS + b"replaying 20" in it.shown
        assert "at 1000 times the speed, 1 shown" in it.plain


@pytest.fixture(scope="session")
def producing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway that takes publications."""
    with live_server(tmp_path_factory.mktemp("producing"), CACHE_PUBLISH="true") as server:
        yield server


def test_values_are_published_one_by_one_or_a_line_each(producing: LiveServer, tmp_path: Path) -> None:
    shell = Shell(producing, tmp_path, {"FULLON_TOKEN": token_of(producing)})
    exchange = fresh_name()
    done = shell.run("publish", "tickers", exchange, MARKET, '{"price": 7.5}')
    assert done.returncode == Exit.DONE, done.stderr
    trades = "".join(
        json.dumps({"trade_id": n, "side": "buy", "price": 1.0, "volume": 1.0, "time": 1.0 + n}) + "\n"
        for n in range(5)
    )
    done = shell.run("publish", "trades", exchange, MARKET, given=trades)
    assert (done.returncode, "5 published" in done.stderr) == (Exit.DONE, True), done.stderr
    with shell.running("tail", "tickers", exchange) as it:
        it.await_shown(f"{exchange}:{MARKET} 7.5")
    with shell.running("tail", "trades", exchange) as it:
        it.await_shown("trade_id=0", "trade_id=4")


def test_a_terminal_shows_how_far_a_file_was_published(producing: LiveServer, tmp_path: Path) -> None:
    shell = Shell(producing, tmp_path, {"FULLON_TOKEN": token_of(producing)})
    values = tmp_path / "values.jsonl"
    values.write_text('{"price": 7.5}\n' * 150)
    with shell.on_terminal("publish", "tickers", fresh_name(), MARKET, given=values) as it:
        assert it.ended() == Exit.DONE, it.plain
        assert re.search(re.escape(PROGRESS) + rb"\d+ published" + re.escape(PROGRESS), it.shown)
        assert it.plain.endswith("150 published\r\n")


def test_publishing_to_a_gateway_that_takes_nothing_is_refused(admin: Shell) -> None:
    done = admin.run("publish", "tickers", fresh_name(), MARKET, '{"price": 7.5}')
    assert (done.returncode, done.stdout) == (Exit.REFUSED, "")
    assert "HTTP 40" in done.stderr


# -- how it ends ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_a_stop_by_the_system_end_it_without_a_word(
    admin: Shell, collector: Collector, by: signal.Signals
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET)
    with admin.running("tail", "tickers", exchange) as it:
        it.await_shown(MARKET)
        assert it.ended(by) == Exit.INTERRUPTED
        assert it.process.stderr is not None
        assert it.process.stderr.read() == b""


def test_a_reader_that_had_enough_ends_it_without_a_word(admin: Shell, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET)
    with admin.running("tail", "tickers", exchange, "--mode", "every") as it:
        it.await_shown(MARKET)
        assert it.process.stdout is not None
        it.process.stdout.close()
        for price in range(1, 4):
            collector.tick(exchange, MARKET, price=float(price))
        assert it.process.wait(20) == Exit.DONE
        assert it.process.stderr is not None
        assert it.process.stderr.read() == b""


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("tail", "weather"), Exit.USAGE, "there is no 'weather'"),
        (("snapshot", "accounts", "1", "2"), Exit.USAGE, "'2' is too much"),
        (("snapshot", "tickers", "--url", "ftp://x"), Exit.USAGE, "must begin with"),
        (("tail", "tickers", "x", "--count", "0"), Exit.USAGE, "must be 1 to"),
        (("replay", "tickers", "x", "--from", "yesterday"), Exit.USAGE, "is no time and no cursor"),
        (("publish", "tickers", "x", "{}"), Exit.USAGE, "named by exchange and symbol"),
        (("publish", "tickers", "x", "y", "{"), Exit.USAGE, "value 1 is not JSON"),
        (("top",), Exit.USAGE, "needs a terminal"),
        (("tail", "tickers", "nowhere-*"), Exit.REFUSED, "none of that name"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_a_code(
    admin: Shell, arguments: tuple[str, ...], code: Exit, sentence: str
) -> None:
    done = admin.run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_not_theirs_is_refused(shell: Shell) -> None:
    shell.variables["FULLON_TOKEN"] = token_of(shell.server, PLAIN)
    done = shell.run("tail", "accounts", str(fresh_account()))
    assert done.returncode == Exit.REFUSED
    assert "FORBIDDEN" in done.stderr


def test_a_refused_token_is_told_without_showing_it(shell: Shell) -> None:
    shell.variables["FULLON_TOKEN"] = "a.secret.b"
    done = shell.run("snapshot", "process")
    assert done.returncode == Exit.NOT_AUTHORIZED
    assert "secret" not in done.stdout + done.stderr


def test_nobody_listening_is_told_after_a_while(admin: Shell) -> None:
    done = admin.run("snapshot", "process", "--url", f"http://127.0.0.1:{closed_port()}")
    assert done.returncode == Exit.NO_CONNECTION
    assert "no connection" in done.stderr


# -- on a terminal ----------------------------------------------------------------------------------------------------


def test_a_terminal_has_colours_and_rises_are_green(admin: Shell, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, price=1.0)
    with admin.on_terminal("tail", "tickers", exchange, "--mode", "every") as it:
        it.await_shown(MARKET)
        collector.tick(exchange, MARKET, price=2.0)
        it.await_that(lambda: b"\x1b[32m2" in it.shown)
        it.press("\x03")
        assert it.ended(signal.SIGINT) == Exit.INTERRUPTED


def test_no_color_is_heeded(admin: Shell, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, price=1.0)
    admin.variables["NO_COLOR"] = "1"
    with admin.on_terminal("tail", "tickers", exchange) as it:
        it.await_shown(MARKET)
        it.ended(signal.SIGINT)
        assert b"\x1b[3" not in it.shown


def test_top_shows_markets_and_streams_and_q_leaves_the_terminal_as_it_was(
    admin: Shell, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, price=1234.5)
    with admin.on_terminal("top", exchange) as it:
        it.await_shown(f"{exchange}:{MARKET}", "1,234.5", "updates/s", "lag")
        collector.tick(exchange, MARKET, price=4321.5)
        it.await_shown("4,321.5", "tickers")
        it.press("q")
        assert it.ended() == Exit.DONE
        assert it.shown.rstrip().endswith((b"\x1b[?25h", b"\x1b[?1049l"))


def test_top_ends_by_ctrl_c_with_the_terminal_as_it_was(admin: Shell) -> None:
    with admin.on_terminal("top", fresh_name()) as it:
        it.await_shown("markets")
        assert it.ended(signal.SIGINT) == Exit.INTERRUPTED
        assert b"\x1b[?1049l" in it.shown
        assert "Traceback" not in it.plain


# -- the doctor -------------------------------------------------------------------------------------------------------


def test_the_doctor_finds_everything_well(admin: Shell) -> None:
    done = admin.run("doctor")
    assert done.returncode == Exit.DONE, done.stdout + done.stderr
    for about in ("address", "gateway", "readiness", "credentials", "socket", "clock", "latency", "tickers"):
        assert about in done.stdout
    assert "wrong" not in done.stdout


def test_the_doctor_says_what_a_plain_user_may_not_read_and_why(shell: Shell) -> None:
    shell.variables["FULLON_TOKEN"] = token_of(shell.server, PLAIN)
    done = shell.run("doctor")
    assert done.returncode == Exit.DONE, done.stdout
    assert any(
        line.startswith("note") and "process" in line and "may not be read" in line
        for line in done.stdout.splitlines()
    )


@pytest.mark.parametrize(
    ("variables", "arguments", "sentence"),
    [
        ({}, ("--url", "http://127.0.0.1:{port}"), "nobody listens there"),
        ({}, (), "there are none"),
        ({"FULLON_TOKEN": "a.b.c"}, (), "refuses the credentials"),
        ({"FULLON_API_KEY": "fullon_ak_none"}, (), "refuses the credentials"),
    ],
)
def test_the_doctor_says_what_is_wrong_in_a_sentence(
    shell: Shell, variables: dict[str, str], arguments: tuple[str, ...], sentence: str
) -> None:
    shell.variables |= variables
    done = shell.run("doctor", *(each.format(port=closed_port()) for each in arguments))
    assert done.returncode == Exit.PROBLEM
    assert sentence in done.stdout
    assert "Traceback" not in done.stderr


def test_the_doctor_says_that_a_token_has_ended(shell: Shell) -> None:
    shell.variables["FULLON_TOKEN"] = token_of(shell.server, exp=1)
    done = shell.run("doctor")
    assert done.returncode == Exit.PROBLEM
    assert "ended" in done.stdout
    assert os.environ.get("FULLON_TOKEN") is None
