"""What a database may go through under a load: a restart, a death, a pause, a crowd. Everything is there afterwards."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NoReturn

import httpx
import psycopg
import pytest
from tests.faults.exactness import assert_exact
from tests.faults.stack import Stack, frozen, post
from tests.faults.traffic import Traffic
from tests.lifecycle.process_table import needs_process_table, until

pytestmark = needs_process_table

END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^stepwell (receiver|worker)'"
)


def test_database_that_restarts_loses_nothing(shared: Stack, sent: Traffic) -> None:
    with shared.load(sent):
        shared.server.stop()
        shared.server.start()
    assert_exact(shared.server.url, sent)


def test_database_that_is_killed_loses_nothing(shared: Stack, sent: Traffic) -> None:
    with shared.load(sent):
        assert shared.server.pid is not None
        os.kill(shared.server.pid, signal.SIGKILL)
        shared.server.wait()
        shared.server.start()
    assert_exact(shared.server.url, sent)


def test_database_that_is_away_for_a_while_loses_nothing(shared: Stack, sent: Traffic) -> None:
    with shared.load(sent):
        shared.server.stop()
        shared.wait_for_refusals(sent)
        shared.wait_for_refusals(sent)
        shared.server.start()
    assert_exact(shared.server.url, sent)


def test_database_that_stands_still_for_a_while_loses_nothing(shared: Stack, sent: Traffic) -> None:
    assert shared.server.pid is not None
    with shared.load(sent), frozen(shared.server.pid):
        until(
            lambda: all(_keeps_waiting(address, sent) for address in shared.addresses),
            "every receiver waits for the database",
        )
    assert_exact(shared.server.url, sent)


def test_database_without_free_connections_loses_nothing(shared: Stack, sent: Traffic) -> None:
    with shared.load(sent), _crowded(shared.server.url):
        shared.wait_for_refusals(sent)
    assert_exact(shared.server.url, sent)


def _keeps_waiting(address: dict[str, str], sent: Traffic) -> bool:
    """Whether a request gets no answer for a while."""
    try:
        post(address, sent, timeout_s=0.5)
    except httpx.ReadTimeout:
        return True
    return False


@contextmanager
def _crowded(url: str) -> Iterator[None]:
    """All sessions that the server has are taken by others."""
    with ExitStack() as taken, psycopg.connect(url, autocommit=True) as connection:

        def none_is_left() -> bool:
            with pytest.raises(psycopg.OperationalError, match="too many clients"):
                _take_all(url, taken)
            return connection.execute(END_SESSIONS).fetchall() == []

        until(none_is_left, "nobody else has a session")
        yield


def _take_all(url: str, taken: ExitStack) -> NoReturn:
    while True:
        taken.enter_context(psycopg.connect(url))
