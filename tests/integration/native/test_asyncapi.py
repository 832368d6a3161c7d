"""What a live gateway says on ``/api/v1/stream`` is what its own AsyncAPI document says; and the document as it is served."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from email.message import Message
from typing import Any

import jsonschema
import pytest

from tests.integration.native.client import Native
from tests.integration.native.conftest import Open
from tests.integration.wire.collector import Collector, fresh_account, fresh_name, trade
from tests.integration.wire.rpc_client import Frame
from tests.live import LiveServer

MARKET = "BTC/USDC"
ANSWERS_OF_DATA = {"snapshot": "Snapshot", "update": "Update"}
UNASKED = {
    "welcome": "Welcome", "heartbeat": "Heartbeat", "status": "Status", "token_expiring": "TokenExpiring", "error": "ErrorFrame",
}  # fmt: skip


def got(url: str) -> tuple[bytes, Message]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read(), answer.headers


@pytest.fixture(scope="module")
def document(live_server_process: LiveServer) -> dict[str, Any]:  # Any: an AsyncAPI document
    body, headers = got(f"{live_server_process.url}/api/v1/asyncapi.json")
    assert headers["Content-Type"] == "application/json"
    told: dict[str, Any] = json.loads(body)  # Any: as above
    return told


def schema_of(frame: Frame) -> str:
    kind = frame["type"]
    if kind in ANSWERS_OF_DATA:
        return str(frame["stream"]).capitalize() + ANSWERS_OF_DATA[kind]
    if kind == "ack":
        return f"{str(frame['op']).capitalize()}Ack" if frame["ok"] else "ErrorAck"
    return UNASKED[kind]


async def test_every_frame_of_a_busy_socket_is_what_the_document_says(
    native: Open, collector: Collector, document: dict[str, Any]
) -> None:
    exchange, account, heard = fresh_name(), str(fresh_account()), set()
    async with native() as socket:
        said: list[Frame] = [socket.welcome]
        receive = socket.receive

        async def recorded() -> Frame:
            said.append(frame := await receive())
            return frame

        socket.receive = recorded  # type: ignore[method-assign]  # every frame, whoever waits for it
        await follow_all(socket, exchange, account)
        collector.tick(exchange, MARKET)
        await socket.told(
            type="update", stream="tickers"
        )  # by which the trades' list is known to be of this market
        collector.trades(exchange, MARKET, trade(1))
        collector.account(int(account), USDT={"total": 1.0, "free": 1.0, "used": 0.0})
        awaited = {"trades", "accounts"}
        while awaited:
            awaited.discard((await socket.told(type="update"))["stream"])
        await ask_everything(socket, exchange)
    for frame in said:
        name = schema_of(frame)
        heard.add(name)
        whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.Draft7Validator(whole).validate(frame)
    acks = {f"{op.capitalize()}Ack" for op in document["operations"] if op not in ("tell", "token")}
    assert heard >= acks | {
        "Welcome",
        "ErrorAck",
        "ErrorFrame",
        "TradesSnapshot",
        "TradesUpdate",
        "AccountsUpdate",
    }


async def follow_all(socket: Native, exchange: str, account: str) -> None:
    for stream, fields in {
        "tickers": {"exchange": exchange, "symbol": "*"},
        "trades": {"exchange": exchange, "symbol": MARKET},
        "orders": {"exchange": exchange},
        "accounts": {"account": account},
        "positions": {"account": account},
        "bots": {"bot": "*"},
        "ohlcv": {"symbol": MARKET, "timeframe": "1m"},
        "process": {"type": "*"},
        "agents": {},
    }.items():
        await socket.subscribe(stream, **fields)


async def ask_everything(socket: Native, exchange: str) -> None:
    await socket.done("list")
    await socket.done("snapshot", stream="tickers", exchange=exchange, symbol="*")
    await socket.done("partitions", stream="tickers")
    await socket.done("explain", request={"op": "ping"})
    await socket.refused("subscribe", stream="nope")
    await socket.connection.send("{}")
    await socket.told(type="error")
    await socket.done("ping")
    await socket.done("unsubscribe", all=True)


def test_the_page_needs_nothing_but_itself(live_server_process: LiveServer) -> None:
    body, headers = got(f"{live_server_process.url}/api/v1/asyncapi")
    page = body.decode()
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "<script" not in page
    assert "src=" not in page
    assert "http" not in page.replace("http-equiv", "").split("<body>")[0]
    for heading in ("Requests", "Frames", "Streams", "Errors", "Closes", "Limits", "Examples"):
        assert f">{heading}</h2>" in page
    assert "`" not in page


def test_whoever_has_the_document_is_not_sent_it_again(live_server_process: LiveServer) -> None:
    url = f"{live_server_process.url}/api/v1/asyncapi.json"
    tag = got(url)[1]["ETag"]
    again = urllib.request.Request(url, headers={"If-None-Match": tag})
    with pytest.raises(urllib.error.HTTPError) as unchanged:
        urllib.request.urlopen(again, timeout=10)
    unchanged.value.close()
    assert unchanged.value.code == 304
