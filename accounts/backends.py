"""How Django proves users by their passwords: within the limits on guessing, and by the same work for everybody."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts.attempts import address_of
from accounts.models import User
from accounts.services import authenticate_by_password


class BoundedBackend(ModelBackend):
    """Django's own, but for the look at the password: forms of the admin site and everything else pass here."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **credentials: Any,  # Any: Django's signature
    ) -> User | None:
        """Return the active user. Raises: TooManyAttempts, which ends Django's own ``authenticate`` with None."""
        mail = username if username is not None else credentials.get(User.USERNAME_FIELD)
        if mail is None or password is None:
            return None
        return authenticate_by_password(mail, password, None if request is None else address_of(request))

    async def aauthenticate(self, *args: Any, **credentials: Any) -> User | None:  # Any: as above
        """Return the active user; Django's own would pass the limits by."""
        return await sync_to_async(self.authenticate)(*args, **credentials)
