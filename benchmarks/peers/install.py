"""``python -m benchmarks.peers.install``: installs the peers, each its own way; says which could not be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.machine import BASE
from benchmarks.peers import PEERS

ENVIRONMENT = BASE / ".run" / "peers-venv"
DEBIAN = ("nginx", "libnginx-mod-nchan", "nats-server", "nodejs", "npm")
_PROGRAMS = {"nodejs": "node"}


def main() -> int:
    """Install what is missing; return 1 if a peer still is."""
    _debian()
    _python()
    _node()
    missing = {peer.name: peer.missing() for peer in PEERS}
    for name, lacking in missing.items():
        print(f"{name}: {'installed' if lacking is None else f'left out, lacks {lacking}'}")
    return 1 if any(missing.values()) else 0


def _debian() -> None:
    wanted = [name for name in DEBIAN if shutil.which(_PROGRAMS.get(name, name)) is None]
    modules = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
    if modules.is_file():
        wanted = [name for name in wanted if name != "libnginx-mod-nchan"]
    if not wanted or shutil.which("apt-get") is None:
        return
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    _run(*sudo, "apt-get", "install", "-y", *wanted)


def _python() -> None:
    if not ENVIRONMENT.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    _run(str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", "socketify==0.0.31")


def _node() -> None:
    if shutil.which("npm") is not None:
        _run("npm", "ci", "--no-audit", "--no-fund", "--prefix", str(Path(__file__).with_name("node_ws")))


def _run(*command: str) -> None:
    """Run an installer; one that fails costs its peer, not the others."""
    done = subprocess.run(command, check=False)
    if done.returncode:
        print(f"{command[0]} ended with {done.returncode}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
