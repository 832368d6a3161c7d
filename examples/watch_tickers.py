"""Stream every ticker of an exchange through the request family: one request, its confirmation, then updates.

Usage: TOKEN=$(python manage.py token --user admin@fullon) python examples/watch_tickers.py kraken
"""

import asyncio
import json
import os
import sys
from contextlib import suppress

import websockets

URL = os.environ.get("WS_BASE_URL", "ws://localhost:8000/api/v1/cache") + "/ws/tickers/watch_tickers"


async def watch(exchange: str, token: str) -> None:
    """Print updates until the gateway closes or Ctrl-C comes; a header keeps the token out of the URL."""
    async with websockets.connect(URL, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        request = {"action": "stream_tickers", "request_id": "t1", "params": {"exchange": exchange}}
        await socket.send(json.dumps(request))
        async for frame in socket:
            message = json.loads(frame)
            print(json.dumps(message.get("result", message)), flush=True)


if __name__ == "__main__":
    if "TOKEN" not in os.environ:
        sys.exit(f"TOKEN is not set. {__doc__}")
    with suppress(KeyboardInterrupt):
        asyncio.run(watch(sys.argv[1] if len(sys.argv) > 1 else "kraken", os.environ["TOKEN"]))
