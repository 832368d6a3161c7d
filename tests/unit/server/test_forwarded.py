"""What proxies say of a client, and when it is believed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from cache_streams.server.forwarded import is_trusted_proxy, seen_from_outside

PROXIES = ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]


def scope(peer: str, *headers: tuple[str, str], kind: str = "http") -> dict[str, Any]:
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    scheme = "http" if kind == "http" else "ws"
    return {"type": kind, "client": (peer, 5000), "scheme": scheme, "headers": sent}


def via(*addresses: str) -> tuple[str, str]:
    return ("x-forwarded-for", ", ".join(addresses))


@pytest.mark.parametrize(
    ("proxies", "peer", "chain", "client"),
    [
        (0, "127.0.0.1", ["192.0.2.1"], "127.0.0.1"),
        (1, "127.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        (1, "10.9.8.7", ["192.0.2.1"], "192.0.2.1"),
        (1, "2001:db8::7", ["192.0.2.1"], "192.0.2.1"),
        (1, "::ffff:10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        (1, "192.0.2.9", ["192.0.2.1"], "192.0.2.9"),
        (1, "127.0.0.1", [], "127.0.0.1"),
        (1, "127.0.0.1", ["6.6.6.6", "192.0.2.1"], "192.0.2.1"),
        (1, "127.0.0.1", ["6.6.6.6", "10.0.0.1"], "10.0.0.1"),
        (2, "127.0.0.1", ["192.0.2.1", "10.0.0.1"], "192.0.2.1"),
        (2, "127.0.0.1", ["6.6.6.6", "192.0.2.1"], "192.0.2.1"),
        (2, "127.0.0.1", ["6.6.6.6", "192.0.2.1", "10.0.0.1"], "192.0.2.1"),
        (16, "127.0.0.1", ["10.0.0.3", "10.0.0.2", "10.0.0.1"], "10.0.0.3"),
        (1, "127.0.0.1", ["192.0.2.1:4711"], "192.0.2.1"),
        (1, "127.0.0.1", ["[2001:db9::1]:4711"], "2001:db9::1"),
        (1, "127.0.0.1", ["[2001:db9::1]"], "2001:db9::1"),
        (1, "127.0.0.1", ["unknown"], "127.0.0.1"),
        (1, "127.0.0.1", ["192.0.2.1", "' OR 1"], "127.0.0.1"),
    ],
)
def test_the_client_is_the_first_address_from_inside_that_no_named_proxy_has(
    settings: Settings, proxies: int, peer: str, chain: list[str], client: str
) -> None:
    settings.NUM_PROXIES, settings.TRUSTED_PROXIES = proxies, PROXIES
    assert seen_from_outside(scope(peer, via(*chain)))["client"][0] == client


def test_a_chain_may_be_spread_over_lines(settings: Settings) -> None:
    settings.NUM_PROXIES, settings.TRUSTED_PROXIES = 2, PROXIES
    told = scope("127.0.0.1", via("6.6.6.6"), via("192.0.2.1"), via("10.0.0.1"))
    assert seen_from_outside(told)["client"][0] == "192.0.2.1"


@pytest.mark.parametrize(
    ("peer", "chain", "said", "scheme"),
    [
        ("127.0.0.1", ["192.0.2.1"], "https", "https"),
        ("127.0.0.1", ["192.0.2.1"], "HTTPS", "https"),
        ("127.0.0.1", [], "https", "https"),
        ("192.0.2.9", ["192.0.2.1"], "https", "http"),
        ("127.0.0.1", ["192.0.2.1"], "gopher", "http"),
        ("127.0.0.1", ["192.0.2.1"], "", "http"),
        ("127.0.0.1", ["192.0.2.1"], "https, http", "http"),
        ("127.0.0.1", ["192.0.2.1", "10.0.0.1"], "https, http", "https"),
        ("127.0.0.1", ["192.0.2.1", "10.0.0.1"], "https", "https"),
    ],
)
def test_the_scheme_is_what_the_same_proxy_said(
    settings: Settings, peer: str, chain: list[str], said: str, scheme: str
) -> None:
    settings.NUM_PROXIES, settings.TRUSTED_PROXIES = 2, PROXIES
    told = scope_of(peer, chain, said, "http")
    assert seen_from_outside(told)["scheme"] == scheme


def scope_of(peer: str, chain: list[str], said: str, kind: str) -> dict[str, Any]:
    return scope(peer, via(*chain), ("x-forwarded-proto", said), kind=kind)


@pytest.mark.parametrize(("said", "scheme"), [("https", "wss"), ("wss", "wss"), ("http", "ws"), ("x", "ws")])
def test_the_scheme_of_a_socket_is_that_of_its_handshake(settings: Settings, said: str, scheme: str) -> None:
    settings.NUM_PROXIES, settings.TRUSTED_PROXIES = 1, PROXIES
    assert seen_from_outside(scope_of("127.0.0.1", ["192.0.2.1"], said, "websocket"))["scheme"] == scheme


def test_what_was_believed_is_there_once_and_what_was_not_is_left(settings: Settings) -> None:
    settings.NUM_PROXIES, settings.TRUSTED_PROXIES = 1, PROXIES
    assert seen_from_outside(scope_of("127.0.0.1", ["192.0.2.1"], "https", "http"))["headers"] == []
    forged = scope_of("192.0.2.9", ["192.0.2.1"], "https", "http")
    assert seen_from_outside(forged) is forged


def test_a_unix_socket_has_no_address_to_trust(settings: Settings) -> None:
    settings.NUM_PROXIES, settings.TRUSTED_PROXIES = 1, PROXIES
    told = {**scope("", via("192.0.2.1")), "client": None}
    assert seen_from_outside(told) is told


@given(forged=st.lists(st.text(st.characters(codec="latin-1"), max_size=20), max_size=5))
def test_nothing_that_a_client_writes_before_its_proxy_does_changes_its_address(forged: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        from django.conf import settings

        patch.setattr(settings, "NUM_PROXIES", 2)
        patch.setattr(settings, "TRUSTED_PROXIES", PROXIES)
        told = scope("10.0.0.1", via(*forged, "192.0.2.1", "10.0.0.2"))
        assert seen_from_outside(told)["client"][0] == "192.0.2.1"


def test_what_is_no_address_is_no_proxy(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = PROXIES
    assert not any(map(is_trusted_proxy, ["", "localhost", "127.0.0.1.example.org", "1" * 300]))
