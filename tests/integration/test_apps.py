"""Users that change are announced, whichever way their rights changed."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from pytest_django import DjangoCaptureOnCommitCallbacks
from redis import Redis

from accounts.models import User
from cache_streams.server.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.django_db


def announced(redis: EmbeddedRedis) -> list[bytes]:
    with Redis.from_url(redis.url) as client:
        return [fields[b"user"] for _, fields in client.xrange("gw:control")]


@pytest.mark.parametrize("way", ["group of user", "user of group", "permission of user", "saved"])
def test_a_user_whose_rights_change_is_announced(
    way: str, fresh_redis: EmbeddedRedis, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    user = User.objects.create_user("ann@example.org")
    group = Group.objects.create(name="some")
    permission = Permission.objects.all()[0]
    with django_capture_on_commit_callbacks(execute=True):
        if way == "group of user":
            user.groups.add(group)
        elif way == "user of group":
            group.user_set.add(user)
        elif way == "permission of user":
            user.user_permissions.add(permission)
        else:
            user.save()
    assert announced(fresh_redis) == [str(user.pk).encode()]
