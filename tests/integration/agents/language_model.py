"""A small local server that speaks the chat completions API: answers from a script, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


@dataclass
class LanguageModel:
    """``script`` is answered in order, its last entry again and again; bytes are answered as they are."""

    url: str
    script: list[tuple[int, Json | bytes]]
    questions: list[Json] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def says(content: str | None, *calls: tuple[str, str], tokens: int = 10) -> tuple[int, Json]:
    """Return an answer in words or calls of tools (name, arguments as JSON text)."""
    wanted = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": content, **({"tool_calls": wanted} if wanted else {})}
    return 200, {"choices": [{"index": 0, "message": message}], "usage": {"total_tokens": tokens}}


@contextmanager
def language_model(*script: tuple[int, Json | bytes]) -> Iterator[LanguageModel]:
    """Run a model on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            model.questions.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            model.headers.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
            status, body = model.script[min(len(model.questions), len(model.script)) - 1]
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *arguments: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    model = LanguageModel(f"http://127.0.0.1:{server.server_address[1]}/v1", list(script))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
