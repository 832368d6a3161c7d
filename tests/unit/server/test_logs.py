"""Log lines carry no credential, whatever put it there."""

import json
import logging
import os
import sys
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.server.logs import blank_members, blanked, lines

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
AS_SUBPROTOCOL = urlsafe_b64encode(JWT.encode()).rstrip(b"=").decode()


def record(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("some.library", logging.WARNING, __file__, 1, message, args, None)


@pytest.mark.parametrize(
    "line",
    [
        f'"WebSocket /api/v1/cache/ws?token={JWT}" [accepted]',
        "GET /ws?a=1&token=opaque-token-value&b=2",
        "GET /ws?ticket=opaque-token-value",
        "Authorization: Bearer opaque-token-value",
        f"payload {JWT} refused",
        f"Sec-WebSocket-Protocol: jwt-auth, jwt.{AS_SUBPROTOCOL}",
        "redis://host?password=opaque-token-value",
        "X-API-Key: opaque-token-value",
        "Authorization: Basic opaque-token-value",
        "headers {'authorization': 'Token opaque-token-value', 'host': 'a'}",
        "headers [(b'x-api-key', b'opaque-token-value')]",
        "Cookie: sessionid=opaque-token-value; csrftoken=b",
        "key fullon_ak_opaque-token-value refused",
    ],
)
@pytest.mark.parametrize("style", ["console", "json"])
def test_a_credential_is_blanked_in_both_styles(line: str, style: str) -> None:
    text = lines(style).format(record("%s", line))
    assert JWT not in text
    assert AS_SUBPROTOCOL not in text
    assert "opaque-token-value" not in text
    assert "[blanked]" in text


def test_what_stands_beside_a_credential_stays() -> None:
    assert blanked("GET /ws?a=1&token=x&b=2 200") == "GET /ws?a=1&token=[blanked]&b=2 200"


@given(st.text(st.characters(categories=["L", "N"]), min_size=1))
def test_any_value_of_a_token_parameter_goes(value: str) -> None:
    assert blanked(f"/ws?token={value}") == "/ws?token=[blanked]"


def test_an_exception_is_blanked_too() -> None:
    failed = record("failed")
    failed.exc_info = (ValueError, ValueError(f"bad {JWT}"), None)
    text = lines("json").format(failed)
    assert "ValueError: bad [blanked]" in text


@pytest.mark.parametrize(
    "name", ["token", "access_token", "X-API-Key", "password", "authorization", "ticket"]
)
def test_what_is_logged_under_the_name_of_a_credential_goes(name: str) -> None:
    nested = {"headers": {name: "opaque"}, "also": [{name: "opaque"}]}
    event = blank_members(None, "info", {"event": "e", name: "opaque", **nested, "status": 200})
    assert "opaque" not in str(event)
    assert event["status"] == 200


@given(st.text())
def test_a_json_line_stays_json_whatever_is_blanked(text: str) -> None:
    for line in (f'"a?token={text}"', f'{{"authorization": "{text}"}}', f"Cookie: {text}"):
        assert json.loads(lines("json").format(record("%s", line)))["level"] == "warning"


def test_what_no_encoder_knows_is_blanked_as_well() -> None:
    class Request:
        def __repr__(self) -> str:
            return f"<GET /ws?token={JWT}>"

    event = blank_members(None, "info", {"event": "e", "request": Request()})
    assert event["request"] == "<GET /ws?token=[blanked]>"


def test_without_a_terminal_lines_are_json() -> None:
    assert not sys.stderr.isatty()
    assert json.loads(lines("auto").format(record("here")))["event"] == "here"


def test_on_a_terminal_lines_are_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, other = os.openpty()
    with os.fdopen(other, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        text = lines("auto").format(record("here"))
    os.close(terminal)
    assert "here" in text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_the_json_style_is_one_object_per_line() -> None:
    entry = json.loads(lines("json").format(record("worker %d ended", 1)))
    assert entry["event"] == "worker 1 ended"
    assert entry["level"] == "warning"
    assert entry["logger"] == "some.library"
