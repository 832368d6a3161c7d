"""Reads of users."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from django.contrib.auth.models import Permission
from django.db.models import Exists, QuerySet

from accounts.identity import Identity
from accounts.models import GATEWAY_PERMISSIONS, ApiKey, Ownership, RevokedToken, User
from accounts.tokens import AccessClaims, RefreshClaims, issued_before

PERMISSIONS = frozenset(codename for codename, _ in GATEWAY_PERMISSIONS)
EVERYTHING = "read_everything"
_PLAIN_JTI = re.compile(r"[!-~]{1,255}")


def identity_of(user_id: int) -> Identity | None:
    """Return who ``user_id`` is, also when inactive; None when there is no such user. Three queries, one for nobody.

    Raises ``django.db.OperationalError`` when the database is away.
    """
    return identities_of([user_id]).get(user_id)


def identity_named(mail: str) -> Identity | None:
    """Return who has this mail address, as ``identity_of``; one query more."""
    user_id = User.objects.filter(mail=mail.strip().lower()).values_list("pk", flat=True).first()
    return None if user_id is None else identity_of(user_id)


def identities_of(user_ids: Collection[int]) -> dict[int, Identity]:
    """Return who each of ``user_ids`` is, by id; unknown ones are left out. Three queries however many they are."""
    found = User.objects.filter(pk__in=user_ids)
    columns = ("mail", "name", "is_staff", "is_active", "is_superuser", "tokens_valid_from")
    rows = {pk: row for pk, *row in found.values_list("pk", *columns)}
    if not rows:
        return {}
    owned: dict[tuple[int, str], set[str]] = defaultdict(set)
    for user_id, kind, identifier in Ownership.objects.filter(user__in=rows).values_list(
        "user_id", "kind", "identifier"
    ):
        owned[user_id, kind].add(identifier)
    granted = _permissions_of(rows)
    return {
        user_id: Identity(
            user_id,
            mail,
            name,
            is_staff=is_staff or is_superuser or EVERYTHING in granted[user_id],
            is_active=is_active,
            accounts=frozenset(owned[user_id, Ownership.Kind.ACCOUNT]),
            bots=frozenset(owned[user_id, Ownership.Kind.BOT]),
            permissions=PERMISSIONS if is_superuser else frozenset(granted[user_id]),
            tokens_valid_from=None if since is None else since.timestamp(),
        )
        for user_id, (mail, name, is_staff, is_active, is_superuser, since) in rows.items()
    }


def _permissions_of(user_ids: Collection[int]) -> dict[int, set[str]]:
    """Return the gateway's own permissions that users hold themselves or through groups, by user."""
    ours = Permission.objects.filter(
        content_type__app_label="accounts", content_type__model="user", codename__in=PERMISSIONS
    ).order_by()
    own = ours.filter(user__in=user_ids).values_list("user", "codename")
    through_groups = ours.filter(group__user__in=user_ids).values_list("group__user", "codename")
    granted: dict[int, set[str]] = defaultdict(set)
    for user_id, codename in own.union(through_groups):
        granted[user_id].add(codename)
    return granted


def active_user(user_id: int, token_ids: Sequence[str] = ()) -> User | None:
    """Return the active user ``user_id``; None for unknown and inactive ones alike. One query.

    Nor is there one when a token of those ids was revoked.
    """
    found = User.objects.filter(pk=user_id, is_active=True)
    if token_ids:
        found = found.exclude(
            Exists(RevokedToken.objects.filter(jti__in=[stored_jti(name) for name in token_ids]))
        )
    return found.first()


def token_user(claims: AccessClaims | RefreshClaims) -> User | None:
    """Return the active user whom a verified token proves now: not revoked, not older than the password. One query."""
    ids = claims.revocable_ids if isinstance(claims, AccessClaims) else (claims.family,)
    user = active_user(claims.user_id, ids)
    if user is None or issued_before(valid_from(user), claims.issued_at, claims.expires_at):
        return None
    return user


def valid_from(user: User) -> float | None:
    """Return since when tokens of ``user`` are good, in Unix seconds; None: always."""
    return None if user.tokens_valid_from is None else user.tokens_valid_from.timestamp()


def stored_jti(jti: str) -> str:
    """Return ``jti`` as the database can hold it: itself, or its SHA-256 when other services made it odd or long."""
    return jti if _PLAIN_JTI.fullmatch(jti) else hashlib.sha256(jti.encode(errors="replace")).hexdigest()


def keys_to_deactivate(user: User, number: int, used_key_id: int | None) -> list[ApiKey]:
    """Return which keys ``number`` means: an own key's id, else the own uid for the key in use, else for all own keys."""
    own = ApiKey.objects.filter(user=user)
    named = list(own.filter(pk=number))
    if named or number != user.pk:
        return named
    return list(own.filter(is_active=True) if used_key_id is None else own.filter(pk=used_key_id))


def user_by_mail(mail: str) -> User | None:
    """Return the user of ``mail``, whatever its letter case; None when there is none. One query."""
    return User.objects.filter(mail=mail.strip().lower()).first()


def users_like(wanted: Mapping[str, object]) -> QuerySet[User]:
    """Return the users that are ``active``, and of ``mail``, as far as that is wanted."""
    found = User.objects.all()
    if "active" in wanted:
        found = found.filter(is_active=bool(wanted["active"]))
    if "mail" in wanted:
        found = found.filter(mail=str(wanted["mail"]).strip().lower())
    return found


def ownerships_like(wanted: Mapping[str, object]) -> QuerySet[Ownership]:
    """Return what belongs to ``uid``, is of ``kind`` and called ``identifier``, as far as that is wanted."""
    names = {"uid": "user_id", "kind": "kind", "identifier": "identifier"}
    return Ownership.objects.filter(
        **{field: wanted[name] for name, field in names.items() if name in wanted}
    )
