"""Where Django looks for the application's models."""

from cache_streams.agents.models import AgentEvent, AgentProducerKey, AgentRun, AgentUserLog
from cache_streams.rest.publish.models import Publication

__all__ = ("AgentEvent", "AgentProducerKey", "AgentRun", "AgentUserLog", "Publication")
