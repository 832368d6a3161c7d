"""News that a user's rights or credentials changed, for whoever keeps open what they opened; sent once it is committed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from django.db import transaction
from django.dispatch import Signal

changed = Signal()
"""``user_id``: whose rights, credentials or existence changed; None: anybody's."""

_local = threading.local()


def announce(user_id: int | None) -> None:
    """Send ``changed`` when the transaction is committed, or now where there is none; never when it is rolled back."""
    if not getattr(_local, "gathering", False):
        transaction.on_commit(partial(changed.send, None, user_id=user_id))


@contextmanager
def as_one() -> Iterator[None]:
    """Announce everybody once, instead of each change within: for changes of many users. Not to be nested."""
    _local.gathering = True
    try:
        yield
    finally:
        _local.gathering = False
    announce(None)
