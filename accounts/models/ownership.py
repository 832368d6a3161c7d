"""What belongs to whom: exchange accounts and bots, whose streams nobody else but staff may see."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

from accounts.models.users import User

IDENTIFIER_CHARACTERS_MAX = 128
is_identifier = RegexValidator(
    r"\A[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?\Z",
    "An identifier is a text without control characters, and without spaces at its ends.",
    code="identifier",
)


class Ownership(models.Model):
    """One exchange account or bot, and its one owner; ``identifier`` as collectors write it: ``"1"``, ``"grid-7"``."""

    class Kind(models.TextChoices):
        ACCOUNT = "account"
        BOT = "bot"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="ownerships")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    identifier = models.CharField(max_length=IDENTIFIER_CHARACTERS_MAX, validators=[is_identifier])
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("kind", "identifier")
        constraints = (
            # One owner each: a second row would quietly show one person's orders to another.
            models.UniqueConstraint(fields=("kind", "identifier"), name="ownership_has_one_owner"),
            models.CheckConstraint(
                condition=models.Q(kind__in=("account", "bot")), name="ownership_kind_is_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.identifier}"
