"""What accounts store: users, the credentials that prove them, and what is theirs."""

from accounts.models.credentials import RevokedToken, TokenFamily
from accounts.models.users import MAIL_CHARACTERS_MAX, User, UserManager, canonical_mail, is_mail

__all__ = [
    "MAIL_CHARACTERS_MAX",
    "RevokedToken",
    "TokenFamily",
    "User",
    "UserManager",
    "canonical_mail",
    "is_mail",
]
