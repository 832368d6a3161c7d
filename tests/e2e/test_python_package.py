"""The Python client as a package of its own: built, installed alone, and used against a live gateway."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.e2e.running_example import collector, tick
from tests.live import BASE, LiveServer

SOURCE = BASE / "clients" / "python"
USE = """
import asyncio, os, sys
from cache_streams.client import connect

async def main() -> None:
    async with connect(os.environ["URL"], token=os.environ["TOKEN"]) as gateway:
        async for tick in gateway.tickers("ex_packaged", "BTC/USDC"):
            if tick.data is not None:
                print(tick.data.price)
                return

asyncio.run(main())
missing = {"django", "channels", "redis", "rest_framework", "prometheus_client", "structlog"} & sys.modules.keys()
assert not missing, missing
"""


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", directory, SOURCE)
    (built,) = directory.glob("fullon_stream-*.whl")
    return built


def test_the_wheel_holds_the_client_and_nothing_of_the_gateway(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    roots = {"/".join(name.split("/")[:2]) for name in names if not name.startswith("fullon_stream-")}
    assert roots == {
        "cache_streams/__init__.py", "cache_streams/client", "cache_streams/protocol", "cache_streams/py.typed",
        "cache_streams/streams",
    }  # fmt: skip
    assert not [name for name in names if name.endswith(".pyc") or "__pycache__" in name]


@pytest.mark.timeout(240)
def test_installed_alone_it_follows_a_market(
    wheel: Path, tmp_path: Path, live_server_process: LiveServer
) -> None:
    home = tmp_path / "venv"
    venv.create(home)
    python = home / "bin" / "python"
    pip("--python", python, "install", "--prefer-binary", wheel)
    with collector(live_server_process) as write:
        write(tick("ex_packaged", 7.25))
    token = live_server_process.manage("token", "--user", "plain@fullon").strip()
    done = subprocess.run(
        [python, "-c", USE],
        env={"PATH": os.environ["PATH"], "URL": live_server_process.url, "TOKEN": token},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "7.25\n", "")
    shown = subprocess.run(
        [home / "bin" / "fullon-stream", "snapshot", "tickers", "ex_packaged"],
        env={"PATH": os.environ["PATH"], "FULLON_URL": live_server_process.url, "FULLON_TOKEN": token},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (shown.returncode, "ex_packaged:BTC/USDC 7.25" in shown.stdout) == (0, True), shown.stderr
