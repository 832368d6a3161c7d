"""Where Django looks for the application's models."""

from cache_streams.agents.models import AgentEvent, AgentProducerKey, AgentRun, AgentUserLog

__all__ = ("AgentEvent", "AgentProducerKey", "AgentRun", "AgentUserLog")
