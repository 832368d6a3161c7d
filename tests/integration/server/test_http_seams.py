"""What of uvicorn's HTTP protocol ``server/http.py`` touches: each test says what to look at when an upgrade breaks it."""

import inspect

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SOURCE = inspect.getsource(HttpToolsProtocol)


@pytest.mark.parametrize(
    "method",
    ["connection_made", "data_received", "on_message_begin", "on_headers_complete", "on_message_complete"],
)
def test_a_method_that_marks_the_progress_of_a_request_is_still_called_so(method: str) -> None:
    assert hasattr(HttpToolsProtocol, method), f"uvicorn renamed {method}: the handshake deadline hangs on it"


def test_an_idle_connection_is_still_closed_by_shutdown_and_known_by_its_cycle() -> None:
    source = inspect.getsource(HttpToolsProtocol.shutdown)
    assert "if self.cycle is None or self.cycle.response_complete:" in source, (
        "http.py waits for a last request there"
    )
    assert "self.cycle.keep_alive = False" in source, "http.py ends the last answer by it"


def test_an_upgrade_still_passes_through_one_method() -> None:
    assert "self.handle_websocket_upgrade()" in SOURCE, (
        "uvicorn upgrades elsewhere: bound the handshake there"
    )


def test_an_upgrade_still_does_what_ours_does() -> None:
    source = inspect.getsource(HttpToolsProtocol.handle_websocket_upgrade)
    steps = [
        "self.connections.discard(self)",
        "protocol = self.ws_protocol_class(",
        "config=self.config,",
        "server_state=self.server_state,",
        "app_state=self.app_state,",
        "protocol.connection_made(self.transport)",
        'protocol.data_received(b"".join(output))',
        "self.transport.set_protocol(protocol)",
    ]
    missing = [step for step in steps if step not in source]
    assert not missing, (
        f"http.py's _hand_over() does these steps itself, with begin() for data_received(): {missing}"
    )


def test_a_requests_target_and_headers_are_still_where_they_were() -> None:
    assert "self.url" in SOURCE, "http.py measures self.url before an upgrade"
    assert '"headers": self.headers' in SOURCE, "http.py counts scope headers before an upgrade"


def test_what_is_not_http_is_still_answered_in_one_method() -> None:
    assert "self.send_400_response(msg)" in SOURCE, "http.py answers bad requests in the one shape there"


def test_uvicorn_itself_still_has_no_deadline_for_a_request() -> None:
    assert "timeout_request" not in SOURCE, (
        "uvicorn may bound requests by itself now: drop server/http.py's deadline"
    )
