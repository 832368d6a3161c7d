"""Users with roles, and runs of theirs."""

from __future__ import annotations

import itertools

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType

from accounts.models import User
from cache_streams.agents import services
from cache_streams.agents.rights import Caller, caller_of
from cache_streams.agents.wire import read_start

GRANTED = {"user": ("read", "write", "agent_execute"), "producer": ("publish_any",)}
_numbers = itertools.count(1)


def new_user(role: str = "user", *, is_active: bool = True) -> User:
    """Return a stored user of a role: viewer, user, producer or admin."""
    user = User.objects.create_user(
        f"user{next(_numbers)}@example.org", is_staff=role == "admin", is_active=is_active
    )
    for codename in GRANTED.get(role, ()):
        content_type = ContentType.objects.get_for_model(User)
        permission, _ = Permission.objects.get_or_create(content_type=content_type, codename=codename)
        user.user_permissions.add(permission)
    return user


def caller(user: User, claimed: list[str] | None = None) -> Caller:
    """Return a user with the rights of the database, narrowed by a claim."""
    found = caller_of(user.pk, claimed)
    assert found is not None
    return found


def start(who: Caller, **body: object) -> services.Started:
    """Start a run."""
    return services.start_run(who, read_start({"agent_name": "triage", **body}))
