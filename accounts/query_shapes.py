"""Shapes of what lists are asked for in a query; an unknown parameter is refused, for it might be a filter misspelt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework import serializers

from accounts.models import MAIL_CHARACTERS_MAX, Ownership
from accounts.models.ownership import IDENTIFIER_CHARACTERS_MAX

ROWS_DEFAULT, ROWS_MAX = 500, 1_000
ID_MAX = 2**63 - 1

if TYPE_CHECKING:  # generic in the stubs alone
    Shape = serializers.Serializer[object]
else:
    Shape = serializers.Serializer


class ListQuery(Shape):
    """Which part of a list."""

    limit = serializers.IntegerField(min_value=1, max_value=ROWS_MAX, default=ROWS_DEFAULT)
    after = serializers.IntegerField(
        min_value=0, max_value=ID_MAX, default=0, help_text="The id after which the list goes on."
    )

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        """Refuse what is not a field."""
        unknown = set(self.initial_data) - set(self.fields)
        if unknown:
            rule = f"There is no such parameter; there are {', '.join(self.fields)}."
            raise serializers.ValidationError(dict.fromkeys(sorted(unknown), rule))
        return attrs


class UsersQuery(ListQuery):
    """Which users."""

    active = serializers.BooleanField(required=False)
    mail = serializers.CharField(max_length=MAIL_CHARACTERS_MAX, required=False)


class OwnershipQuery(ListQuery):
    """Which ownerships."""

    uid = serializers.IntegerField(min_value=1, max_value=ID_MAX, required=False)
    kind = serializers.ChoiceField(choices=Ownership.Kind.choices, required=False)
    identifier = serializers.CharField(max_length=IDENTIFIER_CHARACTERS_MAX, required=False)
