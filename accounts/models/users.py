"""The user: one person or program, known by a mail address."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

MAIL_CHARACTERS_MAX = 254
GATEWAY_PERMISSIONS = (
    ("read", "Read streams"),
    ("write", "Change what is theirs"),
    ("agent_execute", "Start and publish agent runs of their own"),
    ("publish", "Publish into the cache"),
    ("publish_any", "Publish agent runs for other users"),
    ("operate", "See who is connected, and close sockets"),
    ("read_everything", "Read what belongs to others, and the processes of the deployment"),
)
"""What the gateway asks for, beside Django's own permissions on models."""
is_mail = RegexValidator(
    r"\A[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+\Z",
    "A mail address has one '@' between two texts without spaces.",
    code="mail",
)


def canonical_mail(mail: str) -> str:
    """Return ``mail`` as it is stored and compared: trimmed, lower case. Raises ``ValidationError``.

    Looser than Django's ``EmailField``: existing deployments log in as ``admin@fullon``, a domain without a dot.
    """
    canonical = mail.strip().lower()
    is_mail(canonical)
    if len(canonical) > MAIL_CHARACTERS_MAX:
        raise ValidationError(
            f"A mail address has at most {MAIL_CHARACTERS_MAX} characters.", code="max_length"
        )
    return canonical


class UserManager(BaseUserManager["User"]):
    """Creates users, and finds them by mail whatever its letter case."""

    def create_user(self, mail: str, password: str | None = None, **fields: object) -> User:
        """Return a stored user; without ``password`` the user cannot log in. Raises ``ValidationError``, ``IntegrityError``."""
        user = self.model(mail=canonical_mail(mail), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, mail: str, password: str | None = None, **fields: object) -> User:
        """Return a stored administrator: staff with every permission."""
        return self.create_user(mail, password, **{**fields, "is_staff": True, "is_superuser": True})

    def get_by_natural_key(self, username: str | None) -> User:
        """Return the user whose mail is ``username``. Raises ``User.DoesNotExist``."""
        return self.get(mail=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """One person or program; ``mail`` is the login name, the primary key is the ``uid`` of every API."""

    mail = models.CharField(max_length=MAIL_CHARACTERS_MAX, unique=True, validators=[is_mail])
    name = models.CharField(max_length=150, blank=True)
    lastname = models.CharField(max_length=150, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    id_num = models.CharField(max_length=40, blank=True)
    is_staff = models.BooleanField(default=False, help_text="May use the admin site and see private streams.")
    is_active = models.BooleanField(default=True, help_text="Clear this instead of deleting a user.")
    date_joined = models.DateTimeField(default=timezone.now, editable=False)
    tokens_valid_from = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Tokens issued before are refused; set by a new password.",
    )

    objects: ClassVar[UserManager] = UserManager()

    _password_removed = False

    USERNAME_FIELD = "mail"
    EMAIL_FIELD = "mail"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("pk",)
        permissions = GATEWAY_PERMISSIONS
        constraints = (
            # With the unique index this makes mails unique whatever their case, and lookups a plain index scan.
            models.CheckConstraint(condition=models.Q(mail=Lower("mail")), name="user_mail_is_lower_case"),
        )

    def __str__(self) -> str:
        return self.mail

    def save(
        self,
        *,
        force_insert: bool | tuple[models.base.ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Store the user; a password that somebody changed ends the tokens that were issued before.

        Django leaves the clear text here until the save only when the change was meant: a login that replaces an old
        kind of hash takes it away first.
        """
        changed = (
            self._password_removed or getattr(self, "_password", None) is not None
        )  # the stubs know no _password
        if changed and not self._state.adding:
            self.tokens_valid_from = timezone.now()
            update_fields = None if update_fields is None else {*update_fields, "tokens_valid_from"}
        self._password_removed = False
        super().save(
            force_insert=force_insert, force_update=force_update, using=using, update_fields=update_fields
        )

    def set_unusable_password(self) -> None:
        """Take the password away, which the next save notices."""
        super().set_unusable_password()
        self._password_removed = True

    def clean(self) -> None:
        """Store the canonical mail also when a form wrote it."""
        super().clean()
        self.mail = canonical_mail(self.mail)

    @property
    def role(self) -> str:
        """``admin`` for staff, otherwise ``user``."""
        return "admin" if self.is_staff else "user"
