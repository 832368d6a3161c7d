"""Which changes of the database are news: of users, their groups and permissions, what they own, keys and revocations."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from accounts.changes import announce
from accounts.models import ApiKey, Ownership, RevokedToken, User

_FORMER = "_gateway_former_owners"


def connect() -> None:
    """Listen to every model that has a part in who may see what."""
    for model in (User, ApiKey, Ownership, RevokedToken):
        for signal in (post_save, post_delete):
            signal.connect(_of_one, sender=model, dispatch_uid=f"{model.__name__} changed")
    for model in (ApiKey, Ownership):
        pre_save.connect(
            _remember_former_owner, sender=model, dispatch_uid=f"{model.__name__} may change hands"
        )
    for through in (User.groups.through, User.user_permissions.through):
        m2m_changed.connect(_of_members, sender=through, dispatch_uid=f"{through.__name__} changed")
    m2m_changed.connect(
        _of_all, sender=Group.permissions.through, dispatch_uid="a group's permissions changed"
    )
    pre_delete.connect(_of_all, sender=Group, dispatch_uid="a group is deleted")


def _of_one(sender: type[Model], instance: Any, **signal: Any) -> None:  # Any: Django's signal signature
    if set(signal.get("update_fields") or ()) != {"last_login"}:
        announce(instance.pk if sender is User else instance.user_id)
    for user_id in instance.__dict__.pop(_FORMER, ()):
        announce(user_id)


def _remember_former_owner(
    sender: type[ApiKey | Ownership], instance: Any, **signal: Any
) -> None:  # Any: as above
    """Keep who will have lost the row, to be told once it is stored: now a worker would still read the old owner."""
    former = sender._default_manager.filter(pk=instance.pk).exclude(user=instance.user_id)  # noqa: SLF001  # Django's own name for it
    instance.__dict__[_FORMER] = list(former.values_list("user_id", flat=True))


def _of_members(
    sender: type[Model],  # noqa: ARG001 - Django's signal signature
    instance: Any,  # Any: a user, or a group or permission when ``reverse``
    action: str,
    reverse: bool,  # noqa: FBT001 - Django's signal signature
    pk_set: set[int] | None,
    **signal: Any,  # Any: as above
) -> None:
    if not action.startswith("post_"):
        return
    if not reverse:
        announce(instance.pk)
    elif pk_set is None:  # emptied: Django no longer says of whom
        announce(None)
    else:
        for user_id in pk_set:
            announce(user_id)


def _of_all(sender: type[Model], **signal: Any) -> None:  # noqa: ARG001  # Any: as above
    announce(None)
