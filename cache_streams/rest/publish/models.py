"""The trail of what was published over REST: who, when, which stream and key, and by which request."""

from __future__ import annotations

from django.conf import settings
from django.db import models

MAIL_CHARACTERS_MAX = 254
KEY_CHARACTERS_MAX = 300


class Publication(models.Model):
    """Values of one key that one request published; never the values. The newest ``PUBLICATIONS_KEPT`` are kept.

    Written before the cache is: what stands there without a row cannot have come this way.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="publications"
    )
    mail = models.CharField(
        max_length=MAIL_CHARACTERS_MAX, help_text="Who it was, also when the user is gone."
    )
    api_key_id = models.BigIntegerField(null=True, help_text="The API key that was used; none with a token.")
    stream = models.CharField(max_length=32)
    key = models.CharField(max_length=KEY_CHARACTERS_MAX, db_index=True)
    count = models.PositiveIntegerField(help_text="Values of this key.")
    request_id = models.CharField(max_length=64, db_index=True)
    failed = models.BooleanField(
        default=False,
        help_text="Redis refused, or did not say that it took them: perhaps nothing was stored.",
    )
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        app_label = "cache_streams"
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.stream} {self.key}"
