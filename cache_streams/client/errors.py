"""What can go wrong, named by what the caller can do about it. No text ever holds a token.

ClientError
├── RequestRefused      the gateway answered a request with an error, or would not have read it; the socket stays open
├── ConnectionLost      the socket ended before the answer came, or no socket could be opened in time
├── NotAuthorized       the credentials are refused, and asking their provider again did not help
├── BufferOverflow      a subscription with the policy RAISE was read too slowly
├── RestFailed          a REST request was answered with an error, or not at all
└── GatewayClosed       the gateway was closed by its user
"""

from __future__ import annotations

from msgspec import UNSET

from cache_streams.protocol.native.frames import ErrorAck


class ClientError(Exception):
    """Anything that this client raises on purpose."""


class RequestRefused(ClientError):
    """The gateway refuses a request. ``code`` is for programs, ``field`` names what broke a rule.

    One code is this client's own: ``REQUEST_TOO_LARGE``, for what no frame holds and cannot be asked in parts.
    """

    def __init__(
        self, code: str, text: str, *, field: str | None, retryable: bool, retry_after_ms: int | None
    ) -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.field = code, field
        self.retryable, self.retry_after_ms = retryable, retry_after_ms

    @classmethod
    def from_ack(cls, ack: ErrorAck) -> RequestRefused:
        """Return the refusal that an acknowledgement tells."""
        return cls(
            ack.error_code,
            ack.error,
            field=None if ack.field is UNSET else ack.field,
            retryable=ack.retryable,
            retry_after_ms=None if ack.retry_after_ms is UNSET else ack.retry_after_ms,
        )

    @classmethod
    def too_large(cls, field: str, size: int, limit: int) -> RequestRefused:
        """Return the refusal of what the gateway would end the socket for: sizes in bytes, ``field`` is the longest."""
        text = f"the request has {size} bytes and the gateway reads {limit}: {field} is too long"
        return cls("REQUEST_TOO_LARGE", text, field=field, retryable=False, retry_after_ms=None)


class ConnectionLost(ClientError):
    """The connection ended, or none could be opened; what was asked may or may not have been done."""

    def __init__(self, reason: str, code: int = 1006) -> None:
        super().__init__(f"no connection: {reason}")
        self.reason, self.code = reason, code


class NotAuthorized(ClientError):
    """The gateway refuses the credentials: get new ones. ``reason`` is the gateway's word for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the gateway refuses the credentials: {reason}")
        self.reason = reason


class BufferOverflow(ClientError):
    """A subscription was not read in time. ``size`` messages were waiting; read faster, or choose another policy."""

    def __init__(self, stream: str, size: int) -> None:
        super().__init__(f"{stream}: {size} messages were waiting to be read and one more came")
        self.stream, self.size = stream, size


class RestFailed(ClientError):
    """A REST request failed. ``status`` is None when no answer came; ``retry_after_s`` when it may work, if that was told."""

    def __init__(self, status: int | None, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text if status is None else f"HTTP {status}: {text}")
        self.status, self.text, self.retry_after_s = status, text, retry_after_s


class GatewayClosed(ClientError):
    """This gateway was closed by its user."""

    def __init__(self) -> None:
        super().__init__("this gateway was closed")
