"""Agent runs on the admin site: metadata only, and each look is logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from cache_streams.agents.models import AgentProducerKey, AgentRun

if TYPE_CHECKING:  # generic in the stubs alone, and the site's package has none
    RunAdmin = admin.ModelAdmin[AgentRun]
    KeyAdmin = admin.ModelAdmin[AgentProducerKey]
else:
    RunAdmin = KeyAdmin = ModelAdmin

logger = structlog.get_logger(__name__)


@admin.register(AgentRun)
class AgentRunAdmin(RunAdmin):
    """Lists runs by owner, status, counts and times; what agents said is for their owners."""

    list_display = ("pk", "user", "agent_name", "status", "last_seq", "started_at", "completed_at")
    list_filter = ("status", "started_at")
    list_select_related = ("user",)
    search_fields = ("=id", "=user__mail", "agent_name")
    fields = (
        "id",
        "user",
        "producer",
        "agent_name",
        "status",
        "last_seq",
        "started_at",
        "updated_at",
        "completed_at",
    )
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Runs come from producers."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: AgentRun | None = None) -> bool:
        """What happened is not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AgentRun | None = None) -> bool:
        """A log has no gaps: retention drops events, nobody else."""
        return False

    def changelist_view(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,  # Any: Django's signature
    ) -> HttpResponse:
        """Log the look at the list."""
        logger.info("agent runs seen on the admin site", admin=request.user.pk)
        return super().changelist_view(request, extra_context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,  # Any: Django's signature
    ) -> HttpResponse:
        """Log the look at one run."""
        logger.info("agent run seen on the admin site", admin=request.user.pk, run_id=object_id)
        return super().changeform_view(request, object_id, form_url, extra_context)


@admin.register(AgentProducerKey)
class AgentProducerKeyAdmin(KeyAdmin):
    """Lists producers and switches them off; keys are made, and shown once, by ``manage.py agents_producer``."""

    list_display = ("name", "user", "is_active", "created_at")
    list_filter = ("is_active",)
    list_select_related = ("user",)
    search_fields = ("name", "user__mail")
    show_full_result_count = False
    fields = ("name", "user", "is_active", "created_at")
    readonly_fields = ("name", "user", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A key that a form made could not be shown."""
        return False
