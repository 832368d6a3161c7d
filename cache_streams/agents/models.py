"""Runs, their events, and one log per user in which the order of numbers is the order of visibility."""

from __future__ import annotations

import secrets
import uuid

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from cache_streams.agents.grammar import Ending, Kind

OPEN_STATUSES = ("new", "running")
STATUSES = (*OPEN_STATUSES, *Ending)
KEY_BYTES = 32


def new_secret() -> str:
    """Return a key with which a producer signs."""
    return secrets.token_urlsafe(KEY_BYTES)


class AgentUserLog(models.Model):
    """Where one user's log stands: cursors ``floor_cursor`` + 1 to ``last_cursor`` are stored, without a gap.

    ``oldest_at`` is when the oldest stored event came, None while there is none. Its row is locked by every append.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="agent_log"
    )
    log_id = models.UUIDField(default=uuid.uuid4, editable=False)
    last_cursor = models.PositiveBigIntegerField(default=0)
    floor_cursor = models.PositiveBigIntegerField(default=0)
    oldest_at = models.DateTimeField(null=True, db_index=True)
    updated_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(floor_cursor__lte=F("last_cursor")), name="agent_log_floor_not_above_last"
            ),
        )

    def __str__(self) -> str:
        return f"log of user {self.user_id}"


class AgentRun(models.Model):
    """One run of one agent for its owner ``user``; ``producer`` is the account that started it.

    ``open_tools`` and the two flags are the grammar's state, ``context`` the owner's roles as frozen at the start.
    ``digest`` identifies the body of the start, so that repeating it changes nothing.
    """

    id = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="agent_runs", db_index=False
    )
    producer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    thread_id = models.CharField(max_length=64)
    agent_name = models.CharField(max_length=64)
    status = models.CharField(max_length=16, default="new")
    strict = models.BooleanField(default=False)
    last_seq = models.PositiveIntegerField(default=0)
    open_tools = models.JSONField(default=list)
    thought = models.BooleanField(default=False)
    used_tool = models.BooleanField(default=False)
    context = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)
    idempotency_key = models.CharField(max_length=64, blank=True)
    start_cursor = models.PositiveBigIntegerField()
    start_event_id = models.UUIDField(null=True)
    started_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=("user", "-started_at"), name="agent_run_of_user"),
            models.Index(fields=("updated_at",), name="agent_run_idle", condition=Q(completed_at=None)),
            models.Index(fields=("user",), name="agent_run_open", condition=Q(completed_at=None)),
        )
        constraints = (
            models.CheckConstraint(condition=Q(status__in=STATUSES), name="agent_run_status_known"),
            models.CheckConstraint(
                condition=Q(status__in=OPEN_STATUSES, completed_at=None)
                | (~Q(status__in=OPEN_STATUSES) & Q(completed_at__isnull=False)),
                name="agent_run_ends_once",
            ),
            models.UniqueConstraint(
                fields=("producer", "idempotency_key"),
                condition=~Q(idempotency_key=""),
                name="agent_run_idempotency",
            ),
        )

    def __str__(self) -> str:
        return f"run {self.id}"


class AgentEvent(models.Model):
    """One event: ``seq`` without gaps in its run, ``cursor`` without gaps in its owner's log.

    ``body`` holds the specific fields as JSON text: text, because PostgreSQL's JSON cannot hold every JSON string.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    cursor = models.PositiveBigIntegerField()
    run = models.ForeignKey(AgentRun, models.CASCADE, related_name="events", db_index=False)
    seq = models.PositiveIntegerField()
    type = models.CharField(max_length=16)
    event_id = models.UUIDField()
    body = models.TextField()
    digest = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("user", "cursor"), name="agent_event_cursor"),
            models.UniqueConstraint(fields=("run", "seq"), name="agent_event_seq"),
            models.UniqueConstraint(fields=("run", "event_id"), name="agent_event_id"),
            models.CheckConstraint(condition=Q(type__in=list(Kind)), name="agent_event_type_known"),
            models.CheckConstraint(condition=Q(seq__gte=1, cursor__gte=1), name="agent_event_counts_from_1"),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.seq} of {self.run_id}"


class AgentProducerKey(models.Model):
    """The key with which one producer signs what it adds to Redis; ``user`` is the account that it acts for.

    The key is stored as it is, because checking an HMAC needs it; whoever reads this table can sign.
    """

    name = models.CharField(
        max_length=64, unique=True, validators=[RegexValidator(r"\A[A-Za-z0-9._-]{1,64}\Z")]
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    secret = models.CharField(max_length=128, default=new_secret, editable=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.name
