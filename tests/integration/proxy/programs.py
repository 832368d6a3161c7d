"""nginx and Caddy as ``examples/proxy`` configures them, in front of a live gateway: ports, paths and the certificate are the test's."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cache_streams.server.children import dying_with_parent
from tests.live import BASE, LiveServer

EXAMPLES = BASE / "examples" / "proxy"
START_DEADLINE_S = 20.0
STOP_DEADLINE_S = 10.0


@dataclass(frozen=True)
class Proxy:
    """A running proxy: ``url`` is what clients open, ``root`` the path below which the gateway is."""

    name: str
    server: LiveServer
    port: int
    plain_port: int
    root: str
    trust: ssl.SSLContext
    log: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}{self.root}"

    @property
    def ws_url(self) -> str:
        return f"wss://localhost:{self.port}{self.root}"


def found(program: str) -> str | None:
    """Return where a program is; Debian's nginx is where only root looks."""
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")


@contextmanager
def nginx(server: LiveServer, root: str) -> Iterator[Proxy]:
    """Run nginx by the example, which has the gateway below a path."""
    with _directory() as directory:
        certificate, key = _certificate(directory)
        port, plain_port = _free_port(), _free_port()
        temporary = " ".join(
            f"{kind}_temp_path {directory}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = _replaced(
            (EXAMPLES / "nginx.conf").read_text(),
            {
                "\nhttp {": f"\nhttp {{ {temporary}",
                "/var/log/nginx/gateway.log": f"{directory}/access.log",
                "server 127.0.0.1:8000;": f"server 127.0.0.1:{server.port};",
                "listen 80;": f"listen 127.0.0.1:{plain_port};",
                "listen 443 ssl;": f"listen {port} ssl;",
                "/etc/ssl/gateway.pem": str(certificate),
                "/etc/ssl/gateway.key": str(key),
                "worker_connections 32768;": "worker_connections 512;",
                "worker_rlimit_nofile 65536;": "",
                "worker_processes auto;": "worker_processes 1;",
            },
        )
        (directory / "nginx.conf").write_text(config.replace("gateway.example.com", "localhost"))
        told = f"daemon off; pid {directory}/pid; error_log stderr;"
        command = [
            found("nginx") or "nginx",
            "-p",
            str(directory),
            "-c",
            str(directory / "nginx.conf"),
            "-g",
            told,
        ]
        trust = ssl.create_default_context(cafile=str(certificate))
        proxy = Proxy("nginx", server, port, plain_port, root, trust, directory / "access.log")
        with _running(command, proxy, directory, {}):
            yield proxy


@contextmanager
def caddy(server: LiveServer) -> Iterator[Proxy]:
    """Run Caddy by the example, which has the gateway at the root."""
    with _directory() as directory:
        certificate, key = _certificate(directory)
        port, plain_port = _free_port(), _free_port()
        environment = {
            "SITE": f"https://localhost:{port}",
            "HTTP_PORT": str(plain_port),
            "TLS": f"tls {certificate} {key}",
            "GATEWAY": f"127.0.0.1:{server.port}",
            "XDG_DATA_HOME": str(directory / "data"),
            "XDG_CONFIG_HOME": str(directory / "config"),
        }
        command = [
            found("caddy") or "caddy",
            "run",
            "--config",
            str(EXAMPLES / "Caddyfile"),
            "--adapter",
            "caddyfile",
        ]
        trust = ssl.create_default_context(cafile=str(certificate))
        proxy = Proxy("caddy", server, port, plain_port, "", trust, directory / "output")
        with _running(command, proxy, directory, environment):
            yield proxy


@contextmanager
def _running(
    command: list[str], proxy: Proxy, directory: Path, environment: dict[str, str]
) -> Iterator[None]:
    with (directory / "output").open("wb") as output:
        process = subprocess.Popen(
            dying_with_parent(*command), stdout=output, stderr=output, cwd=directory,
            env={**os.environ, **environment}, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_DEADLINE_S
        while not _listens(proxy.port):
            said = (directory / "output").read_text()
            assert process.poll() is None, f"{proxy.name} ended: {said[-2000:]}"
            assert time.monotonic() < deadline, f"{proxy.name} does not listen: {said[-2000:]}"
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(STOP_DEADLINE_S)


@contextmanager
def _directory() -> Iterator[Path]:
    """Yield a directory that the workers of nginx may enter, whoever they are: pytest's are for one user."""
    directory = Path(tempfile.mkdtemp(prefix="gw-proxy-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _replaced(text: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def _certificate(directory: Path) -> tuple[Path, Path]:
    """Return a certificate of localhost, which signs itself, and its key."""
    certificate, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
