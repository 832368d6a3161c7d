"""Users, keys and ownership of the replaced system, brought over as they were: ids, bcrypt hashes and keys stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.changes import as_one
from accounts.hashers import stored_form
from accounts.keys import KEY_CHARACTERS_MAX, KEY_CHARACTERS_MIN, digest_of, hint_of
from accounts.models import ApiKey, Ownership, User, canonical_mail
from accounts.services import follow_given_ids
from accounts.tokens import USER_ID_MAX

SECTIONS = ("users", "api_keys", "ownership")
_USER = {"uid": int, "mail": str, "password": str, "name": str, "lastname": str, "phone": str, "id_num": str}
_FLAGS = {"active": bool, "staff": bool}
_KEY = {"uid": int, "key": str, "name": str, "description": str, "scopes": str}
_KEY_TIMES = ("expires_at", "last_used_at", "created_at")
_OWNED = {"uid": int, "kind": str, "identifier": str}

Row = Mapping[str, object]
Stored = TypeVar("Stored", bound=Model)


class ImportRefused(Exception):
    """Rows that cannot be imported, each named with its field and rule; nothing was written."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class BadRow(ValueError):
    """A field of one row breaks a rule."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"{name}: {rule}")


@dataclass(slots=True)
class Count:
    """What became of the rows of one section."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0


def import_accounts(document: object) -> dict[str, Count]:
    """Store what ``document`` (parsed JSON) lists and return the counts by section; the same file again changes nothing.

    Raises ``ImportRefused``; then nothing was stored.
    """
    sections = _sections(document)
    counts = {name: Count() for name in SECTIONS}
    errors: list[str] = []
    steps: dict[str, Callable[[Row, Count], None]] = {
        "users": _import_user,
        "api_keys": _import_key,
        "ownership": _import_ownership,
    }
    with as_one(), transaction.atomic():
        for name in SECTIONS:
            for number, row in enumerate(sections[name]):
                try:
                    _import_row(steps[name], row, counts[name])
                except (BadRow, ValidationError) as bad:
                    errors += [f"{name}[{number}].{text}" for text in _texts(bad)]
        if errors:
            raise ImportRefused(errors)
        follow_given_ids()
    return counts


def _sections(document: object) -> dict[str, list[object]]:
    if not isinstance(document, dict):
        raise ImportRefused(["the file must hold one JSON object with any of users, api_keys, ownership"])
    errors = [
        f"{name}: is unknown; known are {', '.join(SECTIONS)}" for name in set(document) - set(SECTIONS)
    ]
    errors += [f"{name}: must be a list" for name, rows in document.items() if not isinstance(rows, list)]
    if errors:
        raise ImportRefused(sorted(errors))
    return {name: document.get(name, []) for name in SECTIONS}


def _import_row(step: Callable[[Row, Count], None], row: object, count: Count) -> None:
    if not isinstance(row, dict):
        raise BadRow("", "must be an object")
    with transaction.atomic():  # a row that the database refuses must not spoil the look at the rest
        step(row, count)


def _texts(bad: BadRow | ValidationError) -> Iterable[str]:
    if isinstance(bad, ValidationError) and hasattr(bad, "error_dict"):
        return [f"{name}: {' '.join(texts)}" for name, texts in bad.message_dict.items()]
    return [str(bad)] if isinstance(bad, BadRow) else bad.messages


def _import_user(row: Row, count: Count) -> None:
    values = _typed(row, {**_USER, **_FLAGS}, needed=("uid", "mail"))
    user_id = values.pop("uid")
    if not isinstance(user_id, int) or not 0 < user_id <= USER_ID_MAX:
        raise BadRow("uid", f"must be from 1 to {USER_ID_MAX}")
    try:
        values["mail"] = canonical_mail(str(values["mail"]))
    except ValidationError as bad:
        raise BadRow("mail", " ".join(bad.messages)) from None
    holder = User.objects.filter(mail=values["mail"]).exclude(pk=user_id).first()
    if holder is not None:
        raise BadRow("mail", f"belongs to user {holder.pk} already")
    for theirs, ours in (("active", "is_active"), ("staff", "is_staff")):
        if theirs in values:
            values[ours] = values.pop(theirs)
    bare = values.pop("password", None)
    user = User.objects.filter(pk=user_id).first()
    is_new = user is None
    if user is not None and user.mail != values["mail"]:
        raise BadRow("uid", "is somebody else's here")
    if user is not None:
        _widen_nothing(user, values)
    user = user or User(pk=user_id)
    if bare is not None:
        _take_hash(user, str(bare), values, is_new=is_new)
    elif is_new:
        user.set_unusable_password()
    _store(user, values, count, is_new=is_new)


def _widen_nothing(user: User, values: dict[str, object]) -> None:
    """Drop what would give an existing user back the access that somebody here took away."""
    for flag in ("is_active", "is_staff"):
        if not getattr(user, flag):
            values.pop(flag, None)


def _take_hash(user: User, bare: str, values: dict[str, object], *, is_new: bool) -> None:
    """Let ``user`` have the hash ``bare``; one that logged in since keeps the newer form of it."""
    try:
        stored = stored_form(bare)
    except ValueError as bad:
        raise BadRow("password", str(bad)) from None
    if is_new:
        values["password"] = stored
    elif user.password != stored and user.password.startswith("bcrypt_bare$"):
        values.update(password=stored, tokens_valid_from=timezone.now())


def _import_key(row: Row, count: Count) -> None:
    times = {name: _moment(row, name) for name in _KEY_TIMES if row.get(name) is not None}
    plain = {name: value for name, value in row.items() if name not in _KEY_TIMES}
    values = _typed(plain, {**_KEY, "is_active": bool}, needed=("uid", "key"))
    raw = str(values.pop("key"))
    if not KEY_CHARACTERS_MIN <= len(raw) <= KEY_CHARACTERS_MAX:
        raise BadRow("key", f"must have {KEY_CHARACTERS_MIN} to {KEY_CHARACTERS_MAX} characters")
    owner = _owner(values.pop("uid"))
    created_at = times.pop("created_at", None)
    key = ApiKey.objects.filter(digest=digest_of(raw)).first()
    if key is not None and key.user_id != owner:
        raise BadRow("key", f"belongs to user {key.user_id} already")
    is_new = key is None
    key = key or ApiKey(user_id=owner, digest=digest_of(raw), hint=hint_of(raw))
    if not is_new:
        times.pop("last_used_at", None)  # ours is newer
        if not key.is_active:
            values.pop("is_active", None)  # what ended here stays ended
    _store(key, {**values, **times}, count, is_new=is_new)
    if is_new and created_at is not None:
        ApiKey.objects.filter(pk=key.pk).update(created_at=created_at)


def _import_ownership(row: Row, count: Count) -> None:
    values = _typed(row, _OWNED, needed=("uid", "kind", "identifier"))
    owner = _owner(values.pop("uid"))
    owned = Ownership.objects.filter(**values).first()
    _store(owned or Ownership(**values), {"user_id": owner}, count, is_new=owned is None)


def _owner(user_id: object) -> int:
    if not isinstance(user_id, int) or not User.objects.filter(pk=user_id).exists():
        raise BadRow("uid", "names no user, here or in the file")
    return user_id


def _typed(row: Row, types: Mapping[str, type], needed: Iterable[str]) -> dict[str, object]:
    """Return the fields of ``row`` that are not null, each of its type."""
    for name in set(row) - set(types):
        raise BadRow(name, f"is unknown; known are {', '.join(types)}")
    for name in needed:
        if row.get(name) is None:
            raise BadRow(name, "is required")
    present = {name: value for name, value in row.items() if value is not None}
    for name, value in present.items():
        wanted = types[name]
        if isinstance(value, str) and "\x00" in value:
            raise BadRow(name, "must be without NUL characters")
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise BadRow(
                name, f"must be {'true or false' if wanted is bool else f'of type {wanted.__name__}'}"
            )
    return present


def _moment(row: Row, name: str) -> datetime:
    """Return an ISO time; one without a zone is UTC, as the replaced system meant it."""
    value = row[name]
    try:
        moment = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise BadRow(name, "must be an ISO 8601 time")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _store(record: Stored, values: Mapping[str, object], count: Count, *, is_new: bool) -> None:
    changed = [name for name, value in values.items() if getattr(record, name) != value]
    for name in changed:
        setattr(record, name, values[name])
    if not changed and not is_new:
        count.unchanged += 1
        return
    record.full_clean(validate_unique=is_new)
    record.save()
    if is_new:
        count.created += 1
    else:
        count.changed += 1
