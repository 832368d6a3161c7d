"""Transactions that append: on SQLite threads of a process queue for them, instead of asking the file again and again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

_turn = threading.RLock()
_kept: list[BaseDatabaseWrapper] = []


@contextmanager
def writing() -> Iterator[None]:
    """Run the block in one transaction.

    SQLite has one writer at a time: who finds it busy sleeps longer and longer between looks, and threads that wait for a
    lock of ours do not. Each request has a connection of its own, and the last one to close would write the whole WAL
    back and sync it, for every single append: one connection per process stays open.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        with transaction.atomic():
            yield
        return
    with _turn:
        if not _kept:
            _kept.append(_open())
        with transaction.atomic():
            yield


def _open() -> BaseDatabaseWrapper:
    kept = connections.create_connection("default")
    kept.inc_thread_sharing()
    with kept.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_master")  # a connection that has read holds the WAL
    return kept
