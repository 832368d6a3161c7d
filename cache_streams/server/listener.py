"""The listening socket that all workers share, and what its connections inherit from it."""

import errno
import socket

_BACKLOG = 2048
_KEEPALIVE_IDLE_S = 30
_KEEPALIVE_INTERVAL_S = 10
_KEEPALIVE_PROBES = 3
# A client that stops reading keeps acknowledging probes, so keepalive never frees it, and neither do pings or close().
_UNACKNOWLEDGED_MAX_MS = 30_000


class AddressRefusedError(Exception):
    """The address cannot be listened on; the text is one sentence that says which and why."""


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to ``host``:``port`` (0: a free one) and listening. Raises: AddressRefusedError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as exc:
        raise AddressRefusedError(f"HOST={host!r} is no address of this machine: {exc.strerror}.") from exc
    # `localhost` is both 127.0.0.1 and ::1; clients and probes that name an address name the former.
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        _set_options(listener)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        if exc.errno == errno.EADDRINUSE:
            sentence = f"Port {port} on {host} is taken by another process: stop it or choose another PORT."
        else:
            sentence = f"Cannot listen on {host} port {port}: {exc.strerror}."
        raise AddressRefusedError(sentence) from exc
    listener.setblocking(False)
    return listener


def _set_options(listener: socket.socket) -> None:
    """Set what Linux hands on to every accepted connection."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", _KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", _KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", _UNACKNOWLEDGED_MAX_MS),
    ):
        if hasattr(socket, name):  # not every system has each of them
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
