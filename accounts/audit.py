"""What people did on the admin site, where forms do not note it by themselves: in Django's own log of entries."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model

from accounts.models import User

logger = structlog.get_logger(__name__)


def note(by_user_id: int, objects: Iterable[Model], words: str) -> None:
    """Note that ``by_user_id`` did to each of ``objects`` what ``words`` say. One statement, however many they are."""
    done_to = list(objects)
    LogEntry.objects.log_actions(by_user_id, done_to, CHANGE, words)
    logger.info(
        "admin action", admin=by_user_id, action=words, objects=[str(each.pk) for each in done_to[:20]]
    )


def note_about_user(by_user_id: int, user_id: int, words: str) -> None:
    """Note what ``by_user_id`` did about a user who may be gone, or never was one of ours: then the log line alone says it."""
    note(by_user_id, User.objects.filter(pk=user_id), words)
