import stat
from pathlib import Path

import pytest

from cache_streams.client.command.exits import Exit, Stopped
from cache_streams.client.command.session import Session, ends_at
from cache_streams.client.command.store import Login, Store, home

LOGIN = Login("a@example.com", "access", "refresh")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "kept")


def test_logins_are_kept_by_gateway(store: Store) -> None:
    store.put("https://one", LOGIN)
    store.put("https://two", Login("b@example.com", "x", "y"))
    assert store.get("https://one") == LOGIN
    store.put("https://one", None)
    assert store.get("https://one") is None
    assert store.get("https://two") is not None


def test_the_file_and_its_directory_are_for_their_owner_alone(store: Store) -> None:
    store.put("https://one", LOGIN)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    assert [each.name for each in store.path.parent.iterdir()] == [store.path.name]


def test_a_file_that_others_may_read_is_refused(store: Store) -> None:
    store.put("https://one", LOGIN)
    store.path.chmod(0o640)
    with pytest.raises(Stopped, match="others may read it") as stopped:
        store.get("https://one")
    assert stopped.value.code is Exit.NOT_AUTHORIZED


def test_a_damaged_file_is_told_and_not_repeated(store: Store) -> None:
    store.put("https://one", LOGIN)
    store.path.write_text("{secret")
    with pytest.raises(Stopped, match="is damaged") as stopped:
        store.get("https://one")
    assert "secret" not in str(stopped.value)


def test_the_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x")
    monkeypatch.delenv("FULLON_STREAM_HOME", raising=False)
    assert home() == Path("/x/fullon-stream")
    monkeypatch.setenv("FULLON_STREAM_HOME", "/y")
    assert home() == Path("/y")


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "ws://localhost:8000/", "http://localhost:8000/api/v1/stream"]
)
def test_a_gateway_is_the_same_by_each_of_its_addresses(store: Store, url: str) -> None:
    assert Session(url, store).name == "http://localhost:8000/api/v1"


@pytest.mark.parametrize("token", ["", "a.b.c", "a.e30.c", "not a token", "a.bnVsbA.c"])
def test_a_token_whose_end_cannot_be_read_has_ended(token: str) -> None:
    assert ends_at(token) == 0.0


def test_the_end_of_a_token_is_its_own_word() -> None:
    assert ends_at("x.eyJleHAiOiAxNzk1MjIxNDQ2fQ.y") == 1795221446.0


def test_the_environment_goes_before_a_login(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session("http://localhost:8000", store)
    for name in ("FULLON_TOKEN", "FULLON_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert session.source == ""
    store.put(session.name, LOGIN)
    assert session.source == "the login of a@example.com"
    monkeypatch.setenv("FULLON_TOKEN", "t")
    assert session.source == "the token in FULLON_TOKEN"
    monkeypatch.setenv("FULLON_API_KEY", "k")
    assert session.source == "the key in FULLON_API_KEY"
