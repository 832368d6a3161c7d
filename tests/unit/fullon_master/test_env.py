"""Readers of the environment: each value is typed, or refused with its name, itself and the rule."""

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullon_master import env

Read = Callable[[], object]


def refusal_of(read: Read, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        read()
    assert stopped.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "read", "expected"),
    [
        ("8000", lambda: env.integer("X", 1, minimum=1, maximum=9000), 8000),
        (" 8000 ", lambda: env.integer("X", 1, minimum=1, maximum=9000), 8000),
        ("0.5", lambda: env.positive_float("X", 1.0), 0.5),
        ("yes", lambda: env.boolean("X", default=False), True),
        ("off", lambda: env.boolean("X", default=True), False),
        ("debug", lambda: env.choice("X", "INFO", ("DEBUG", "INFO")), "DEBUG"),
        ("a, b", lambda: env.texts("X", []), ["a", "b"]),
        ('["a", "b"]', lambda: env.texts("X", []), ["a", "b"]),
        ("[]", lambda: env.texts("X", ["default"]), []),
        ("", lambda: env.is_emptied("X"), True),
        ("a", lambda: env.is_emptied("X"), False),
        ("some text", lambda: env.text("X", ""), "some text"),
    ],
)
def test_a_good_value_is_read_as_its_type(
    value: str, read: Read, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X", value)
    assert read() == expected


@pytest.mark.parametrize("value", ["", "  ", "None", "none", "null", "NULL"])
def test_empty_and_the_texts_none_and_null_mean_unset(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", value)
    assert env.integer("X", 7, minimum=0, maximum=9) == 7


@pytest.mark.parametrize(
    ("value", "read", "rule"),
    [
        ("eight", lambda: env.integer("X", 1, minimum=1, maximum=9), "an integer from 1 to 9"),
        ("-3", lambda: env.integer("X", 1, minimum=1, maximum=9), "an integer from 1 to 9"),
        ("10", lambda: env.integer("X", 1, minimum=1, maximum=9), "an integer from 1 to 9"),
        ("0", lambda: env.positive_float("X", 1.0), "a number above 0"),
        ("nan", lambda: env.positive_float("X", 1.0), "a number above 0"),
        ("inf", lambda: env.positive_float("X", 1.0), "a number above 0"),
        ("maybe", lambda: env.boolean("X", default=True), "true or false"),
        ("HS1", lambda: env.choice("X", "HS256", ("HS256", "HS512")), "one of HS256, HS512"),
        ('["a", 1]', lambda: env.texts("X", []), "a JSON list or a comma-separated list"),
        ('["a"', lambda: env.texts("X", []), "a JSON list or a comma-separated list"),
        ("a,,b", lambda: env.texts("X", []), "a JSON list or a comma-separated list"),
        ("b c", lambda: env.text("X", "", pattern=r"[a-z]+", rule="small letters"), "small letters"),
    ],
)
def test_a_bad_value_stops_the_process_with_name_value_and_rule(
    value: str, read: Read, rule: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("X", value)
    sentence = refusal_of(read, capsys)
    assert f"X={value!r}" in sentence
    assert rule in sentence
    assert sentence.count("\n") == 1


def test_a_value_that_is_not_to_be_shown_stays_out_of_the_refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("X", "http://user:hunter2@host")
    assert "hunter2" not in refusal_of(lambda: env.text("X", "", pattern="redis://.+", shown=False), capsys)


@pytest.mark.parametrize(
    "value", ["brief", "x" * 31, "your-secret-key-change-in-production", "django-insecure-" + "x" * 40]
)
def test_a_short_or_placeholder_secret_is_refused_outside_debug_and_never_shown(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("X", value)
    sentence = refusal_of(lambda: env.secret("X", debug=False), capsys)
    assert "X (value not shown)" in sentence
    assert value not in sentence


def test_debug_accepts_a_short_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "short")
    assert env.secret("X", debug=True) == "short"


@pytest.mark.parametrize("debug", [True, False])
def test_a_missing_secret_is_refused_with_the_command_that_makes_one(
    *, debug: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("X", raising=False)
    assert "python -m fullon_master.env" in refusal_of(lambda: env.secret("X", debug=debug), capsys)


def test_the_dotenv_file_is_private_and_its_secrets_are_good_and_differ(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert env.write_dotenv(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first, second = re.findall(r"^(?:SECRET_KEY|JWT_SECRET_KEY)=(\S{32,})$", path.read_text(), re.MULTILINE)
    assert first != second


def test_an_existing_dotenv_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("SECRET_KEY=mine\n")
    assert not env.write_dotenv(path)
    assert path.read_text() == "SECRET_KEY=mine\n"


@given(
    st.lists(st.text(st.characters(codec="ascii", exclude_characters=",[]\x00"), min_size=1).map(str.strip))
)
def test_a_json_list_and_its_comma_form_read_the_same(parts: list[str]) -> None:
    present = [part for part in parts if part.isprintable() and part and part.lower() not in {"none", "null"}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("X", json.dumps(present))
        from_json = env.texts("X", [])
        patch.setenv("X", ",".join(present))
        assert env.texts("X", []) == from_json == present
