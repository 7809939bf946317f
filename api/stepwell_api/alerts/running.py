"""Checks rules as they come due, beside a worker's folds, until it is cancelled."""

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import psycopg

from stepwell_api.alerts import store
from stepwell_storage import metrics
from stepwell_storage.database import UNAVAILABLE, connect
from stepwell_storage.errors import DatabaseUnavailableError
from stepwell_storage.settings import Settings

log = logging.getLogger(__name__)

POLL_S: Final = 5.0
AWAY_S: Final = 5.0
SHOWN_CHARACTERS: Final = 300
FORGET_EVERY_S: Final = 3600.0
FAILED_WAIT: Final = timedelta(minutes=1)
LONGEST_CHECK_S: Final = 90.0
"""Less than `store.LEASE`."""


async def keep_checking(settings: Settings, *, poll_s: float = POLL_S) -> None:
    """Checks until it is cancelled; a database that is away is waited for."""
    while True:
        try:
            async with await connect(settings.database_url, application_name="stepwell alerts") as connection:
                await _keep_checking(connection, settings, poll_s)
        except (DatabaseUnavailableError, *UNAVAILABLE) as error:
            log.warning("database unavailable, alerts wait", extra={"reason": type(error).__name__})
        except psycopg.Error:
            log.exception("alerts could not be checked, they are tried again")
        await asyncio.sleep(AWAY_S)


async def _keep_checking(connection: psycopg.AsyncConnection[Any], settings: Settings, poll_s: float) -> None:
    forget_at_s = 0.0
    while True:
        if time.monotonic() >= forget_at_s:
            forget_at_s = time.monotonic() + FORGET_EVERY_S
            await store.forget_old(connection, datetime.now(UTC))
        if not await check_next(connection, settings, datetime.now(UTC)):
            await asyncio.sleep(poll_s)


async def check_next(connection: psycopg.AsyncConnection[Any], settings: Settings, now: datetime) -> bool:
    """Checks the rule that is due the longest; false where none is."""
    claim = uuid4().hex
    rule = await store.claim_rule(connection, now, claim)
    if rule is None:
        return False
    # Imported at the first need: a worker without rules does without numpy.
    from stepwell_api.alerts import checking, sighting

    began_s = time.monotonic()
    try:
        async with asyncio.timeout(LONGEST_CHECK_S):
            seen = await sighting.see(connection, settings.database_url, rule, now)
        await checking.update(connection, rule, claim, seen, now, settings.public_url)
        metrics.ALERT_CHECKS.labels("ok").inc()
    except UNAVAILABLE:
        raise
    except Exception as error:  # the border between rules: whatever one of them holds, the others are checked
        metrics.ALERT_CHECKS.labels("failed").inc()
        log.exception("a rule could not be checked, it is tried again", extra={"rule_id": rule.rule_id})
        told = f"{type(error).__name__}: {error}"[:SHOWN_CHARACTERS]
        await store.finish_check(connection, rule, claim, now, next_check_at=now + FAILED_WAIT, failure=told)
    metrics.ALERT_CHECK_SECONDS.observe(time.monotonic() - began_s)
    return True
