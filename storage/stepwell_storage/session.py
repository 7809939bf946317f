"""A writer's connection to the database, which comes and goes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psycopg

from stepwell_storage.database import connect
from stepwell_storage.errors import DatabaseUnavailableError

STATEMENT_TIMEOUT_S: Final = 60.0
FIRST_BACK_OFF_S: Final = 0.1
LONGEST_BACK_OFF_S: Final = 2.0
SHORTEST_RETRY_S: Final = 0.2


@dataclass(slots=True)
class Session:
    """A connection that is opened again after a failure, with growing pauses between the attempts."""

    url: str
    clock_s: Callable[[], float] = time.monotonic
    _connection: psycopg.AsyncConnection | None = None
    _back_off_s: float = 0.0
    _not_before_s: float = 0.0

    async def connection(self) -> psycopg.AsyncConnection:
        """The open connection, or a new one.

        Raises:
            DatabaseUnavailableError: the database is away, or was a moment ago.
        """
        if self._connection is not None and not self._connection.closed:
            return self._connection
        wait_s = self._not_before_s - self.clock_s()
        if wait_s > 0:
            raise DatabaseUnavailableError("The database is not available", retry_after_s=max(wait_s, SHORTEST_RETRY_S))
        try:
            self._connection = await connect(
                self.url, application_name="stepwell receiver", statement_timeout_s=STATEMENT_TIMEOUT_S
            )
        except DatabaseUnavailableError:
            self._back_off_s = min(max(self._back_off_s * 2, FIRST_BACK_OFF_S), LONGEST_BACK_OFF_S)
            self._not_before_s = self.clock_s() + self._back_off_s
            raise
        self._back_off_s = 0.0
        return self._connection

    async def close(self) -> None:
        """Lets the connection go, whatever state it is in."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
