"""``/metrics`` of a process that serves nothing else: a relay that was started by hand."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import uvicorn
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from django.core.handlers.asgi import ASGIRequest
from prometheus_client.exposition import choose_encoder

from cache_streams.metrics_view import may_read
from cache_streams.scraping import everything

_STOP_PATIENCE_S = 5.0


@contextmanager
def metrics_port(listener: socket.socket | None) -> Iterator[None]:
    """Answer ``GET /metrics`` on ``listener``, from a thread, until the block ends; without one nobody is answered."""
    if listener is None:
        yield
        return
    config = uvicorn.Config(
        metrics_only,
        http="cache_streams.server.http:GatewayHttpProtocol",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    # A thread's server leaves signals to the process.
    thread = threading.Thread(target=server.run, args=([listener],), name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_STOP_PATIENCE_S)


async def metrics_only(scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer the metrics to whom the settings name, 403 to others, 404 on other paths."""
    request = ASGIRequest(scope, BytesIO())
    kind, body = "text/plain; charset=utf-8", b""
    if request.path != "/metrics" or request.method != "GET":
        status = 404
    elif not may_read(request):
        status, body = 403, b"Metrics are for METRICS_TOKEN and METRICS_ADDRESSES.\n"
    else:
        encode, kind = choose_encoder(request.META.get("HTTP_ACCEPT", ""))
        status, body = 200, encode(everything())
    headers = [(b"content-type", kind.encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": body, "more_body": False})
