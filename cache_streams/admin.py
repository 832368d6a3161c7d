"""Where Django looks for the application's pages on the admin site."""

from cache_streams.agents.admin import AgentProducerKeyAdmin, AgentRunAdmin

__all__ = ("AgentProducerKeyAdmin", "AgentRunAdmin")
