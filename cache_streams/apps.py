"""The application's start: users that change are announced to every worker, and the groups of agent runs exist."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.apps import AppConfig


class CacheStreamsConfig(AppConfig):
    """Listens to the user model without accounts knowing of it."""

    name = "cache_streams"

    def ready(self) -> None:
        """Connect the announcements, and the groups."""
        from django.contrib.auth import get_user_model  # models exist only once applications are ready
        from django.db.models.signals import m2m_changed, post_delete, post_migrate, post_save

        user = get_user_model()
        post_save.connect(_announce, sender=user, dispatch_uid="gateway announces saved users")
        post_delete.connect(_announce, sender=user, dispatch_uid="gateway announces deleted users")
        groups = user.groups.through
        m2m_changed.connect(_announce_members, sender=groups, dispatch_uid="gateway announces members")
        post_migrate.connect(_make_groups, sender=self, dispatch_uid="gateway makes groups")


def _announce(sender: type, instance: Any, **signal: Any) -> None:  # noqa: ARG001  # Any: Django's signal signature
    from django.db import transaction  # as above

    from cache_streams.news import announce_user

    user_id: int = instance.pk
    transaction.on_commit(lambda: announce_user(user_id))


def _announce_members(
    sender: type,  # noqa: ARG001 - Django's signal signature
    instance: Any,  # Any: a user, or a group when ``reverse``
    action: str,
    reverse: bool,  # noqa: FBT001 - Django's signal signature
    pk_set: set[int] | None,
    **signal: Any,  # Any: Django's signal signature
) -> None:
    """Announce whose groups changed. Of a group that is emptied nobody is told: the workers' own look finds out."""
    from django.db import transaction  # as above

    from cache_streams.news import announce_user

    if action.startswith("post_"):
        for user_id in (pk_set or ()) if reverse else (instance.pk,):
            transaction.on_commit(partial(announce_user, user_id))


def _make_groups(using: str, **signal: Any) -> None:  # Any: Django's signal signature
    from django.contrib.auth.models import Group  # as above

    from cache_streams.agents.rights import GROUPS

    Group.objects.using(using).bulk_create([Group(name=name) for name in GROUPS], ignore_conflicts=True)
