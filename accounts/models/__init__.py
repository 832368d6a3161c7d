"""What accounts store: users, the credentials that prove them, and what is theirs."""

from accounts.models.credentials import SCOPES_CHARACTERS_MAX, ApiKey, RevokedToken, TokenFamily, is_scopes
from accounts.models.ownership import Ownership
from accounts.models.users import (
    GATEWAY_PERMISSIONS,
    MAIL_CHARACTERS_MAX,
    User,
    UserManager,
    canonical_mail,
    is_mail,
)

__all__ = [
    "GATEWAY_PERMISSIONS",
    "MAIL_CHARACTERS_MAX",
    "SCOPES_CHARACTERS_MAX",
    "ApiKey",
    "Ownership",
    "RevokedToken",
    "TokenFamily",
    "User",
    "UserManager",
    "canonical_mail",
    "is_mail",
    "is_scopes",
]
