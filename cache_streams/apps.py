"""The application's start: users whose rights or credentials change are announced to every worker."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class CacheStreamsConfig(AppConfig):
    """Listens to accounts without accounts knowing of it."""

    name = "cache_streams"
    verbose_name = "Streams"

    def ready(self) -> None:
        """Connect the announcements."""
        from accounts.changes import changed
        from cache_streams import derived  # it reaches models through authentication

        changed.connect(_announce, dispatch_uid="gateway announces changed users")
        derived.register()


def _announce(sender: object, user_id: int | None, **signal: Any) -> None:  # noqa: ARG001  # Any: Django's signal signature
    from cache_streams.news import announce_user  # it reads settings

    announce_user(user_id)
