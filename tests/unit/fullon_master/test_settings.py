"""The settings as a whole: aliases, conflicts, and that each name is documented."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fullon_master import env

BASE = Path(env.BASE_DIR)
SECRETS = {
    "SECRET_KEY": "4b1a9c0d7e52f8a36b04e9d1c7f2508a",
    "JWT_SECRET_KEY": "9f3e71c2b8d604a5e1f7093c6d2ab845",
}
_SHOW = (
    "import json, sys; from fullon_master import settings; "
    "print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}, default=str))"
)


def start(*names: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: os.environ[name]
        for name in ("PATH", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
        if name in os.environ
    }
    return subprocess.run(
        [sys.executable, "-c", _SHOW, *names],
        env={**kept, "ENV_FILE": os.devnull, **SECRETS, **environment},
        cwd=BASE, capture_output=True, text=True, check=False,
    )  # fmt: skip


def read(name: str, **environment: str) -> object:
    done = start(name, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)[name]


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "redis://localhost:6379/0"),
        ({"REDIS_URL": "unix:///run/redis.sock?db=2"}, "unix:///run/redis.sock?db=2"),
        ({"REDIS_HOST": "cache", "REDIS_PORT": "7000", "REDIS_DB": "3"}, "redis://cache:7000/3"),
        ({"REDIS_HOST": "cache", "REDIS_PASSWORD": "p@ss/word"}, "redis://:p%40ss%2Fword@cache:6379/0"),
        ({"CACHE_HOST": "cache", "CACHE_PORT": "7001", "CACHE_DB": "4"}, "redis://cache:7001/4"),
        ({"CACHE_HOST": "old", "REDIS_HOST": "new", "CACHE_PORT": "7001"}, "redis://new:7001/0"),
        ({"REDIS_HOST": "None", "CACHE_HOST": "null", "CACHE_PASSWORD": ""}, "redis://localhost:6379/0"),
        ({"REDIS_HOST": "::1"}, "redis://[::1]:6379/0"),
        (
            {"REDIS_URL": "redis://cache:7000/3", "REDIS_HOST": "cache", "REDIS_DB": "3"},
            "redis://cache:7000/3",
        ),
    ],
)
def test_redis_is_found_under_the_names_of_existing_deployments(
    environment: dict[str, str], url: str
) -> None:
    assert read("REDIS_URL", **environment) == url


@pytest.mark.parametrize(("environment", "configured"), [({}, False), ({"CACHE_HOST": "cache"}, True)])
def test_it_is_known_whether_a_redis_was_configured(environment: dict[str, str], *, configured: bool) -> None:
    assert read("REDIS_CONFIGURED", **environment) is configured


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"REDIS_URL": "redis://a:6379/0", "REDIS_HOST": "b"}, ["REDIS_URL", "REDIS_HOST", "'b'"]),
        ({"REDIS_URL": "redis://a:6379/0", "REDIS_DB": "1"}, ["REDIS_URL", "REDIS_DB"]),
        ({"REDIS_URL": "unix:///r.sock", "REDIS_HOST": "b"}, ["REDIS_URL", "REDIS_HOST"]),
        ({"ROOT_MOUNT": "true"}, ["ROOT_MOUNT", "AGENTS_ALIAS_PATHS"]),
        ({"ROOT_MOUNT": "true", "AGENTS_ALIAS_PATHS": "/ws/agents"}, ["ROOT_MOUNT", "AGENTS_ALIAS_PATHS"]),
        ({"AGENTS_ALIAS_PATHS": "/api/v1/stream/"}, ["AGENTS_ALIAS_PATHS", "'/api/v1/stream'"]),
        ({"AGENTS_ALIAS_PATHS": "/api/v1/cache/ws"}, ["AGENTS_ALIAS_PATHS", "'/api/v1/cache/ws'"]),
        ({"AGENT_RUNNER": "openai"}, ["AGENT_RUNNER", "AGENT_OPENAI_URL", "AGENT_OPENAI_MODEL"]),
        (
            {"CORS_ALLOWED_ORIGINS": "*", "CORS_ALLOW_CREDENTIALS": "true"},
            ["CORS_ALLOWED_ORIGINS", "CORS_ALLOW_CREDENTIALS"],
        ),
        (
            {"CORS_ALLOWED_ORIGINS": "https://a.example", "CORS_ORIGINS": '["https://b.example"]'},
            ["CORS_ALLOWED_ORIGINS", "CORS_ORIGINS"],
        ),
        (
            {
                "ROOT_MOUNT": "true",
                "ROOT_MOUNT_AUTH": "false",
                "AGENTS_ALIAS_PATHS": "",
                "CACHE_ACCESS": "open",
            },
            ["ROOT_MOUNT_AUTH", "CACHE_ACCESS"],
        ),
        ({"DATABASE_URL": "postgresql://h/a", "DB_NAME": "b"}, ["DATABASE_URL", "DB_NAME"]),
        ({"JWT_SECRET_KEY": SECRETS["SECRET_KEY"]}, ["SECRET_KEY", "JWT_SECRET_KEY"]),
    ],
)
def test_conflicting_settings_are_refused_naming_both(environment: dict[str, str], named: list[str]) -> None:
    done = start(**environment)
    assert done.returncode == 2
    assert all(name in done.stderr for name in named), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"REDIS_DB": "16"}, "REDIS_DB='16' is refused: it must be an integer from 0 to 15"),
        ({"CACHE_DB": "16"}, "CACHE_DB='16'"),
        ({"REDIS_URL": "redis://a:6379/16"}, "database '16'"),
        ({"REDIS_URL": "redis://a:port/1"}, "REDIS_URL (value not shown)"),
        ({"REDIS_URL": "http://:hunter2@a"}, "REDIS_URL (value not shown)"),
        ({"DATABASE_URL": "oracle5://:hunter2@a"}, "DATABASE_URL (value not shown)"),
        ({"DB_HOST": "db"}, "DB_NAME is not set"),
        ({"API_PREFIX": "/v2"}, "API_PREFIX='/v2'"),
        ({"CORS_ALLOWED_ORIGINS": "example.com"}, "CORS_ALLOWED_ORIGINS='example.com'"),
        ({"GW_PREFIX": "a b"}, "GW_PREFIX='a b'"),
        ({"AGENT_OPENAI_URL": "file:///etc"}, "AGENT_OPENAI_URL='file:///etc'"),
    ],
)
def test_a_bad_setting_stops_the_start_with_one_sentence(environment: dict[str, str], named: str) -> None:
    done = start(**environment)
    assert done.returncode == 2
    assert named in done.stderr
    assert "hunter2" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_cors_origins_is_read_as_an_alias() -> None:
    assert read("CORS_ALLOWED_ORIGINS", CORS_ORIGINS='["https://a.example"]') == ["https://a.example"]


def test_an_empty_list_of_aliases_means_none_and_an_absent_one_the_default() -> None:
    assert read("AGENTS_ALIAS_PATHS", AGENTS_ALIAS_PATHS="") == []
    assert read("AGENTS_ALIAS_PATHS") == ["/ws", "/websocket", "/api/v1/websocket"]


def test_pages_of_other_origins_may_send_the_header_that_carries_api_keys() -> None:
    allowed = read("CORS_ALLOW_HEADERS", API_KEY_HEADER_NAME="X-Desk-Key")
    assert isinstance(allowed, list)
    assert ("x-desk-key" in allowed, "x-api-key" in allowed) == (True, False)


def test_any_origin_is_allowed_only_when_said() -> None:
    assert read("CORS_ALLOW_ALL_ORIGINS", CORS_ALLOWED_ORIGINS="*") is True
    assert read("CORS_ALLOW_ALL_ORIGINS") is False


def test_sqlite_waits_for_locks_at_the_begin_of_a_transaction() -> None:
    databases = read("DATABASES")
    assert isinstance(databases, dict)
    options = databases["default"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in options["init_command"]


def test_postgresql_is_found_in_parts() -> None:
    databases = read("DATABASES", DB_NAME="fullon", DB_USER="me", DB_PASSWORD="pass")
    assert isinstance(databases, dict)
    entry = databases["default"]
    assert entry["ENGINE"] == "accounts.postgresql"  # Django's own, with a limit to every wait
    assert (entry["HOST"], entry["PORT"], entry["NAME"], entry["USER"]) == (
        "localhost",
        "5432",
        "fullon",
        "me",
    )


def test_every_setting_is_documented_and_nothing_else_is() -> None:
    documented = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", (BASE / ".env.example").read_text(), re.MULTILINE)
    assert len(documented) == len(set(documented))
    assert set(documented) == env.NAMES_READ - {"X"}


def test_the_defaults_written_in_the_documentation_are_the_real_ones() -> None:
    lines = re.findall(r"^# ([A-Z][A-Z0-9_]+)=(.+)$", (BASE / ".env.example").read_text(), re.MULTILINE)
    written = {
        name: value
        for name, value in lines
        if name != "ENV_FILE" and not name.startswith(("REDIS", "CACHE_H"))
    }
    written = {
        name: value for name, value in written.items() if not name.startswith(("CACHE_P", "CACHE_D", "DB_"))
    }
    names = [name for name in written if name != "CORS_ORIGINS"]
    without, spelled = start(*names), start(*names, **written)
    assert spelled.returncode == 0, spelled.stderr
    assert spelled.stdout == without.stdout


def test_nothing_but_env_reads_the_environment() -> None:
    # manage.py and asgi.py only name the settings module; children hand on what they inherited. The client's command line
    # is a program of its own, installed without this project and its settings.
    allowed = {"fullon_master/env.py", "fullon_master/asgi.py", "cache_streams/server/launcher.py"}
    readers = {
        str(path.relative_to(BASE))
        for package in ("fullon_master", "accounts", "cache_streams")
        for path in (BASE / package).rglob("*.py")
        if re.search(r"os\.environ|getenv", path.read_text())
        and not path.is_relative_to(BASE / "cache_streams" / "client" / "command")
    }
    assert readers <= allowed
