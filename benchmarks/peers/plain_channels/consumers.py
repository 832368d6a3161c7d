"""The consumer of the plain application: one group per market."""

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer


class MarketConsumer(AsyncWebsocketConsumer):
    """Sends each update of its market."""

    async def connect(self) -> None:
        self.group = self.scope["url_route"]["kwargs"]["market"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def market_update(self, event: dict[str, Any]) -> None:  # Any: a channel layer's message
        await self.send(text_data=event["text"])
