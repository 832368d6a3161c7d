"""Which web pages may open sockets."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from cache_streams.origin import is_allowed


@pytest.fixture(autouse=True)
def deployment(settings: Settings) -> Settings:
    settings.ALLOWED_HOSTS = ["gateway.example"]
    settings.CORS_ALLOWED_ORIGINS = ["https://desk.example"]
    settings.DEBUG = False
    return settings


def handshake(*origins: bytes, hosts: tuple[bytes, ...] = (b"gateway.example",), scheme: str = "wss") -> Any:
    """Return a handshake's scope."""  # Any: the ASGI connection scope
    headers = [(b"origin", origin) for origin in origins] + [(b"host", host) for host in hosts]
    return {"scheme": scheme, "headers": headers}


def test_programs_which_send_no_origin_are_let_in() -> None:
    assert is_allowed(handshake())
    assert is_allowed(handshake(hosts=(b"anything.example",)))


def test_our_own_pages_are_let_in() -> None:
    assert is_allowed(handshake(b"https://gateway.example"))
    assert is_allowed(
        handshake(b"http://gateway.example:8000", hosts=(b"gateway.example:8000",), scheme="ws")
    )


def test_the_case_of_a_host_means_nothing() -> None:
    assert is_allowed(handshake(b"https://Gateway.example", hosts=(b"gateway.EXAMPLE",)))


@pytest.mark.parametrize(
    "origin", [b"http://gateway.example", b"https://gateway.example:8443", b"https://gateway.example.evil"]
)
def test_another_scheme_port_or_host_is_not_our_own(origin: bytes) -> None:
    assert not is_allowed(handshake(origin))


def test_listed_pages_are_let_in() -> None:
    assert is_allowed(handshake(b"https://desk.example"))


@pytest.mark.parametrize("origin", [b"https://evil.example", b"null", b"", b"\xff\x00", b"file://"])
def test_foreign_pages_are_not(origin: bytes) -> None:
    assert not is_allowed(handshake(origin))


def test_two_different_origins_are_refused_even_if_each_may_enter() -> None:
    assert not is_allowed(handshake(b"https://desk.example", b"https://gateway.example"))


def test_the_same_origin_twice_is_one() -> None:
    assert is_allowed(handshake(b"https://desk.example", b"https://desk.example"))


@pytest.mark.parametrize(
    "hosts", [(b"rebound.example",), (), (b"gateway.example", b"gateway.example"), (b"",), (b"a b",)]
)
def test_a_page_is_not_our_own_by_a_host_that_is_not_ours(hosts: tuple[bytes, ...]) -> None:
    host = hosts[0] if hosts else b"gateway.example"
    assert not is_allowed(handshake(b"https://" + host, hosts=hosts))


def test_without_allowed_hosts_only_a_developers_machine_is_our_own(deployment: Settings) -> None:
    deployment.ALLOWED_HOSTS = []
    local = handshake(b"http://localhost:8000", hosts=(b"localhost:8000",), scheme="ws")
    assert not is_allowed(local)
    deployment.DEBUG = True
    assert is_allowed(local)
    assert not is_allowed(handshake(b"https://gateway.example"))
