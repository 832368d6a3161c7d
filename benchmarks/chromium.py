"""A Chromium that goes on without a debugger: told of every frame of a socket, a debugger slows what is measured."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cache_streams.server.children import dying_with_parent
from tests.chromium import chromium_path

_START_S = 20.0
_OPTIONS = ("--headless", "--remote-debugging-port=0", "--no-sandbox", "--window-size=1280,900")


@contextmanager
def lonely_chromium() -> Iterator[str]:
    """Yield the address at which a debugger may come and go."""
    with tempfile.TemporaryDirectory(prefix="gw-chromium-", ignore_cleanup_errors=True) as directory:
        command = (str(chromium_path()), *_OPTIONS, f"--user-data-dir={directory}", "about:blank")
        nowhere = subprocess.DEVNULL
        process = subprocess.Popen(dying_with_parent(*command), stdout=nowhere, stderr=nowhere)
        try:
            yield f"http://127.0.0.1:{_port(Path(directory) / 'DevToolsActivePort')}"
        finally:
            process.terminate()
            process.wait()


def _port(told: Path) -> str:
    deadline = time.monotonic() + _START_S
    while not (told.exists() and told.read_text()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Chromium did not start within {_START_S:g} s.")
        time.sleep(0.05)
    return told.read_text().split()[0]
