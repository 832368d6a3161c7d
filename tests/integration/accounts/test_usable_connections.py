"""Connections to PostgreSQL that are kept: used without asking the server, and replaced when it hung up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import OperationalError
from psycopg.pq import TransactionStatus

from accounts.postgresql.base import DatabaseWrapper
from fullon_master import addresses
from tests.postgres import TestPostgres

pytestmark = pytest.mark.django_db  # which lets connections be used at all


@pytest.fixture(scope="module")
def postgres() -> Iterator[TestPostgres]:
    server = TestPostgres.start()
    yield server
    server.stop()


@pytest.fixture
def kept(postgres: TestPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseWrapper]:
    """A connection as settings make it, which has answered once."""
    monkeypatch.setenv("DATABASE_URL", postgres.url)
    defaults = {"AUTOCOMMIT": True, "ATOMIC_REQUESTS": False, "OPTIONS": {}, "TIME_ZONE": None}
    wrapper = DatabaseWrapper({**defaults, **addresses.database()})
    assert scalar(wrapper, "SELECT 1") == 1
    yield wrapper
    wrapper.close()


def scalar(wrapper: DatabaseWrapper, question: str) -> Any:  # Any: what the column holds
    with wrapper.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


def begin_request(wrapper: DatabaseWrapper) -> None:
    """Do what Django does before each request."""
    wrapper.close_if_unusable_or_obsolete()


def pid(wrapper: DatabaseWrapper) -> int:
    return int(scalar(wrapper, "SELECT pg_backend_pid()"))


def test_a_kept_connection_is_used_without_a_question_to_the_server(
    kept: DatabaseWrapper, postgres: TestPostgres
) -> None:
    before = pid(kept)
    with psycopg.connect(postgres.url, autocommit=True) as observer:
        asked = f"SELECT query FROM pg_stat_activity WHERE pid = {before}"
        for _ in range(3):
            begin_request(kept)
            kept.ensure_connection()
            assert kept.is_usable()
            row = observer.execute(asked).fetchone()
            assert row == ("SELECT pg_backend_pid()",)
    assert pid(kept) == before


def test_a_connection_that_the_server_ended_is_replaced_before_it_is_used(
    kept: DatabaseWrapper, postgres: TestPostgres
) -> None:
    before = pid(kept)
    with psycopg.connect(postgres.url, autocommit=True) as administrator:
        assert administrator.execute(f"SELECT pg_terminate_backend({before}, 5000)").fetchone() == (True,)
    begin_request(kept)
    assert pid(kept) != before


def test_after_an_error_the_server_itself_is_asked(kept: DatabaseWrapper) -> None:
    with pytest.raises(OperationalError):
        scalar(kept, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert kept.errors_occurred
    assert not kept.is_usable()


def test_a_transaction_that_somebody_left_open_is_no_usable_connection(kept: DatabaseWrapper) -> None:
    kept.connection.execute("BEGIN")
    assert kept.connection.pgconn.transaction_status == TransactionStatus.INTRANS
    assert not kept.is_usable()
