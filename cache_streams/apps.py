"""The application's start: users that change are announced to every worker."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class CacheStreamsConfig(AppConfig):
    """Listens to the user model without accounts knowing of it."""

    name = "cache_streams"

    def ready(self) -> None:
        """Connect the announcements."""
        from django.contrib.auth import get_user_model  # models exist only once applications are ready
        from django.db.models.signals import post_delete, post_save

        user = get_user_model()
        post_save.connect(_announce, sender=user, dispatch_uid="gateway announces saved users")
        post_delete.connect(_announce, sender=user, dispatch_uid="gateway announces deleted users")


def _announce(sender: type, instance: Any, **signal: Any) -> None:  # noqa: ARG001  # Any: Django's signal signature
    from django.db import transaction  # as above

    from cache_streams.news import announce_user

    user_id: int = instance.pk
    transaction.on_commit(lambda: announce_user(user_id))
