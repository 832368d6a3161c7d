"""Users, their credentials and what is theirs, on the admin site; and what was done there."""

from accounts.admin.credentials import ApiKeyAdmin, RevokedTokenAdmin, TokenFamilyAdmin
from accounts.admin.history import LogEntryAdmin
from accounts.admin.ownership import OwnershipAdmin
from accounts.admin.people import RoleAdmin, UserAdmin

__all__ = (
    "ApiKeyAdmin",
    "LogEntryAdmin",
    "OwnershipAdmin",
    "RevokedTokenAdmin",
    "RoleAdmin",
    "TokenFamilyAdmin",
    "UserAdmin",
)
