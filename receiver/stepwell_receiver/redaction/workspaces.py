"""Knows the rules of each workspace; a change holds in every receiver within `KNOWN_FOR_S`."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from stepwell_receiver.redaction.forms import Kind
from stepwell_receiver.redaction.rules import BadRuleError, Redactor, make
from stepwell_storage import redaction
from stepwell_storage.database import make_pool, unavailability_told
from stepwell_storage.settings import Settings

KNOWN_FOR_S: Final = 5.0
_log: Final = logging.getLogger(__name__)


class Redactors:
    """Gives the rules of workspaces, asking the database every few seconds for each that sends."""

    def __init__(
        self,
        pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]],
        settings: Settings,
        *,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._general = kinds_of(settings.redact)
        self._clock_s = clock_s
        self._known: dict[UUID, tuple[float, redaction.Wanted, Redactor | None]] = {}
        self._turn = asyncio.Lock()

    async def of(self, workspace_id: UUID) -> Redactor | None:
        """The rules of a workspace; ``None`` where it has none.

        Raises:
            DatabaseUnavailableError: they are not known, and nothing may come in unmasked.
        """
        until_s, _, redactor = self._known.get(workspace_id, (0.0, None, None))
        if until_s > self._clock_s():
            return redactor
        async with self._turn:
            until_s, wanted, redactor = self._known.get(workspace_id, (0.0, None, None))
            if until_s > self._clock_s():
                return redactor
            with unavailability_told():
                async with self._pool.connection() as connection:
                    found = await redaction.read(connection, workspace_id)
            if found != wanted:
                redactor = self._made(found)
            self._known[workspace_id] = (self._clock_s() + KNOWN_FOR_S, found, redactor)
        return redactor

    def _made(self, wanted: redaction.Wanted) -> Redactor | None:
        kinds = self._general if wanted.sets is None else tuple(map(Kind, wanted.sets))
        try:
            return make(kinds, wanted.rules)
        except BadRuleError:
            # Rules are checked before they are stored: a newer version's may be none to this one.
            _log.exception("A workspace's own redaction rules cannot be read; the built-in ones hold")
            return make(tuple(Kind), {})


def kinds_of(text: str) -> tuple[Kind, ...]:
    """The built-in sets of a setting: names separated by commas, or ``none``.

    Raises:
        ValueError: there is no such set.
    """
    return () if text == "none" else tuple(Kind(name) for name in text.split(","))


@asynccontextmanager
async def open_redactors(settings: Settings, application_name: str) -> AsyncIterator[Redactors]:
    """The rules, on a connection of their own."""
    async with make_pool(settings.database_url, application_name=application_name, max_size=1) as pool:
        yield Redactors(pool, settings)
