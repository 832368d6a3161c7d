"""Where Django looks for the application's pages on the admin site."""

from cache_streams.agents.admin import AgentProducerKeyAdmin, AgentRunAdmin
from cache_streams.rest.publish.admin import PublicationAdmin

__all__ = ("AgentProducerKeyAdmin", "AgentRunAdmin", "PublicationAdmin")
