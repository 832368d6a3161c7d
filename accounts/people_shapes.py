"""Shapes of the JSON about users, and about what belongs to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import MAIL_CHARACTERS_MAX, Ownership, User, canonical_mail
from accounts.models.ownership import IDENTIFIER_CHARACTERS_MAX, is_identifier
from accounts.serializers import PASSWORD_CHARACTERS_MAX

if TYPE_CHECKING:  # generic in the stubs alone
    UserShape = serializers.ModelSerializer[User]
    OwnershipShape = serializers.ModelSerializer[Ownership]
    Shape = serializers.Serializer[object]
else:
    UserShape = OwnershipShape = serializers.ModelSerializer
    Shape = serializers.Serializer


class Me(UserShape):
    """The caller; ``role`` is ``admin`` or ``user``."""

    uid = serializers.IntegerField(source="pk", read_only=True)
    role = serializers.CharField(read_only=True)
    active = serializers.BooleanField(source="is_active", read_only=True)

    class Meta:
        model = User
        fields = ("uid", "mail", "name", "lastname", "phone", "id_num", "role", "active")


class NewUser(UserShape):
    """A user to be; ``role`` is ``admin`` or ``user``."""

    # Uniqueness is no matter of shape: the database says so, and the answer is 409.
    mail = serializers.CharField(max_length=MAIL_CHARACTERS_MAX)
    password = serializers.CharField(
        max_length=PASSWORD_CHARACTERS_MAX,
        required=False,
        trim_whitespace=False,
        write_only=True,
        style={"input_type": "password"},
    )
    role = serializers.ChoiceField(choices=("user", "admin"), default="user")
    active = serializers.BooleanField(source="is_active", default=True)

    class Meta:
        model = User
        fields = ("mail", "password", "name", "lastname", "phone", "id_num", "role", "active")

    def validate_mail(self, mail: str) -> str:
        """Return the canonical mail."""
        try:
            return canonical_mail(mail)
        except DjangoValidationError as error:
            raise serializers.ValidationError(error.messages, error.code) from error

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        """Hold a password to the rules that hold on the admin site, and make the role a flag."""
        wanted = {**attrs, "is_staff": attrs["role"] == "admin"}
        del wanted["role"]
        if "password" in attrs:
            person = User(**{name: value for name, value in wanted.items() if name != "password"})
            try:
                validate_password(str(attrs["password"]), person)
            except DjangoValidationError as error:
                raise serializers.ValidationError({"password": error.messages}, "password") from error
        return wanted


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "minLength": 1, "maxLength": IDENTIFIER_CHARACTERS_MAX},
            {"type": "integer"},
        ]
    }
)
class IdentifierField(serializers.CharField):
    """An account's or bot's id: a text, or a whole number in digits."""

    def to_internal_value(self, data: object) -> str:
        """Return the id."""
        if isinstance(data, float):
            self.fail("invalid")
        return super().to_internal_value(data)  # type: ignore[arg-type]  # the stubs expect a text of what JSON may be


class OwnershipRecord(OwnershipShape):
    """An account or a bot, and whose it is."""

    ownership_id = serializers.IntegerField(source="pk", read_only=True)
    uid = serializers.IntegerField(source="user_id", read_only=True)

    class Meta:
        model = Ownership
        fields = ("ownership_id", "uid", "kind", "identifier", "created_at")


class NewOwnership(Shape):
    """What is to be whose; ``identifier`` as collectors write it."""

    uid = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    kind = serializers.ChoiceField(choices=Ownership.Kind.choices)
    identifier = IdentifierField(
        max_length=IDENTIFIER_CHARACTERS_MAX, trim_whitespace=False, validators=[is_identifier]
    )
