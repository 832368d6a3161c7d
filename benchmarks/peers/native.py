"""nchan in nginx, fed over HTTP, and the NATS server over its own WebSocket."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers.peer import Peer
from benchmarks.processes import family_with_worker, free_port, serving
from benchmarks.receiver import Opening, upgrade
from benchmarks.servers import Places, Server
from benchmarks.updates import channel

_MODULES = ("/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/lib64/nginx/modules")
_NCHAN = "ngx_nchan_module.so"
_NGINX_CONF = """
load_module {module};
daemon off;
user {user};
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log warn;
worker_processes 1;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_requests 1000000000;
  nchan_shared_memory_size 256M;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /sub {{
      nchan_subscriber websocket;
      nchan_channel_id $arg_id;
      nchan_channel_id_split_delimiter ",";
      nchan_subscriber_first_message newest;
    }}
    location = /pub {{
      nchan_publisher http;
      nchan_channel_id $arg_id;
    }}
  }}
}}
"""
_NATS_CONF = """
listen: "127.0.0.1:{port}"
max_connections: 19000
websocket {{ listen: "127.0.0.1:{ws_port}", no_tls: true }}
"""


def _nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def _module() -> Path | None:
    return next((path for path in (Path(folder, _NCHAN) for folder in _MODULES) if path.is_file()), None)


def _no_nchan() -> str | None:
    return None if _nginx() and _module() else "nginx with its nchan module"


@contextmanager
def _nchan(places: Places) -> Iterator[Server]:
    port = free_port()
    places.directory.chmod(0o755)  # the worker runs as another user where nginx is started as root
    configuration = places.directory / f"nginx-{port}.conf"
    text = _NGINX_CONF.format(module=_module(), directory=places.directory, port=port, user=getpass.getuser())
    configuration.write_text(text)
    command = [_nginx() or "nginx", "-c", str(configuration), "-p", str(places.directory)]

    def opening(instruments: int) -> Opening:
        return Opening(upgrade(port, f"/sub?id={','.join(map(channel, range(instruments)))}"))

    with serving(command, port, places.log("nginx")) as pid:
        yield Server(
            name=NCHAN.name,
            port=port,
            pids=family_with_worker(pid),
            opening=opening,
            feed=("http", f"127.0.0.1:{port}"),
        )


def _nats_server() -> str | None:
    return shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/sbin")


def _no_nats() -> str | None:
    return None if _nats_server() else "nats-server"


@contextmanager
def _nats(places: Places) -> Iterator[Server]:
    port, ws_port = free_port(), free_port()
    configuration = places.directory / f"nats-{port}.conf"
    configuration.write_text(_NATS_CONF.format(port=port, ws_port=ws_port))

    def opening(instruments: int) -> Opening:
        subscriptions = "".join(f"SUB {channel(number)} {number + 1}\r\n" for number in range(instruments))
        hello = f'CONNECT {{"verbose":false,"protocol":1}}\r\n{subscriptions}'.encode()
        length = len(hello).to_bytes(2, "big")
        return Opening(upgrade(ws_port, "/"), b"\x82\xfe" + length + bytes(4) + hello)

    with serving(
        [_nats_server() or "nats-server", "-c", str(configuration)], ws_port, places.log("nats")
    ) as pid:
        yield Server(
            name=NATS.name,
            port=ws_port,
            pids=[pid],
            opening=opening,
            feed=("nats", f"127.0.0.1:{port}"),
            options="m",
        )


NCHAN = Peer("nchan in nginx", _no_nchan, _nchan)
NATS = Peer("NATS over WebSocket", _no_nats, _nats)
