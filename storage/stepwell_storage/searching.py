"""Makes executions searchable: reads the words of their texts, some time after the fold, which reads no payload.

An execution without its words is found all the same, by a look at its texts, as long as there are not too many. So this
takes at most half of the time, only gaps in which no fold waits, and an execution gets its words once it has rested
from folds. Where there are no gaps for long it goes on all the same, slowly.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg

from stepwell_storage import queries
from stepwell_storage.database import UNAVAILABLE, connect, defer_durability
from stepwell_storage.errors import DatabaseUnavailableError
from stepwell_storage.traces import TraceWindow, columns_of
from stepwell_storage.words import distinct_words

log = logging.getLogger(__name__)
SQL = queries.load("search")

RESTED: Final = timedelta(seconds=5)
RECENT: Final = timedelta(days=2)
EVER: Final = datetime(1, 1, 1, tzinfo=UTC)
_AT_ONCE: Final = 100
_TEXTS_AT_ONCE: Final = 10
"""Of so many runs the texts are in memory, and their rows locked, at a time: what a fold may have to wait for."""
_LONG_STEPS: Final = 500
_LONGEST_WAIT_S: Final = 1.0
_BUDGET_S: Final = 2.0
_EVERY_S: Final = 1.0
_OLD_EVERY_S: Final = 10.0
_AWAY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Unread:
    """An execution without its words."""

    workspace_id: UUID
    execution_id: str
    start_time: datetime
    updated_at: datetime
    window: TraceWindow
    error_message: str | None
    span_ids: Sequence[bytes]


async def keep_reading(database_url: str, resting: asyncio.Event) -> None:
    """Reads words until it is cancelled, on a connection of its own; `resting` is set while no fold waits."""
    while True:
        try:
            async with await connect(database_url, application_name="stepwell words") as connection:
                await defer_durability(connection)
                await _take_turns(connection, resting)
        except (DatabaseUnavailableError, *UNAVAILABLE) as error:
            log.warning("database unavailable, words wait", extra={"reason": type(error).__name__})
        except psycopg.Error:
            log.exception("words could not be read, they are tried again")
        await asyncio.sleep(_AWAY_S)


async def _take_turns(connection: psycopg.AsyncConnection[Any], resting: asyncio.Event) -> None:
    """Recent executions first; afterwards it rests at least as long as it took."""

    async def gap() -> None:
        # Not wait_for, which swallows a cancellation that comes together with the event (CPython 3.11).
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_WAIT_S):
                await resting.wait()

    old_due_s = 0.0
    while True:
        start_s = time.monotonic()
        await read_words(connection, since=datetime.now(UTC) - RECENT, budget_s=_BUDGET_S, gap=gap)
        if start_s >= old_due_s and await read_words(connection, budget_s=_BUDGET_S, gap=gap) < _AT_ONCE:
            old_due_s = time.monotonic() + _OLD_EVERY_S
        await asyncio.sleep(max(_EVERY_S, time.monotonic() - start_s))


async def _at_once() -> None:
    """Waits for nothing."""


async def read_words(
    connection: psycopg.AsyncConnection[Any],
    *,
    since: datetime = EVER,
    rested: timedelta = RESTED,
    budget_s: float = float("inf"),
    gap: Callable[[], Awaitable[None]] = _at_once,
) -> int:
    """Gives executions that started at or after `since` their words; their number. Several workers may do so at once.

    Stops after `budget_s`, or once none is left that was not folded within `rested`. Awaits a `gap` before every few.
    """
    stop_s = time.monotonic() + budget_s
    total = 0
    while True:
        unread = await _unread(connection, since, rested)
        for first in range(0, len(unread), _TEXTS_AT_ONCE):
            await gap()
            await _read_some(connection, unread[first : first + _TEXTS_AT_ONCE])
        total += len(unread)
        if len(unread) < _AT_ONCE or time.monotonic() >= stop_s:
            return total


async def _unread(connection: psycopg.AsyncConnection[Any], since: datetime, rested: timedelta) -> list[_Unread]:
    parameters = {"since": since, "rested": rested, "limit": _AT_ONCE}
    cursor = await connection.execute(SQL.unread_executions, parameters)
    return [
        _Unread(workspace_id, execution_id, start, updated_at, TraceWindow(workspace_id, *window), message, span_ids)
        for workspace_id, execution_id, start, updated_at, *window, message, span_ids in await cursor.fetchall()
    ]


async def _read_some(connection: psycopg.AsyncConnection[Any], unread: Sequence[_Unread]) -> None:
    """Reads and keeps the words of these; what was folded anew meanwhile is left for another time."""
    words = await _words(connection, unread)
    starts = [execution.start_time for execution in unread]
    await connection.execute(
        SQL.write_words,
        {
            "workspace_ids": [execution.workspace_id for execution in unread],
            "execution_ids": [execution.execution_id for execution in unread],
            "start_times": starts,
            "updated_times": [execution.updated_at for execution in unread],
            "words": words,
            "lowest": min(starts),
            "highest": max(starts),
        },
    )


async def _words(connection: psycopg.AsyncConnection[Any], unread: Sequence[_Unread]) -> list[str]:
    """The words of each execution."""
    windows = list({execution.window for execution in unread})
    cursor = await connection.execute(SQL.read_texts, columns_of(windows))
    texts: dict[TraceWindow, dict[bytes, list[Sequence[str | None]]]] = {window: {} for window in windows}
    for place, span_id, *values in await cursor.fetchall():
        texts[windows[place - 1]].setdefault(span_id, []).append(values)
    words = []
    for execution in unread:
        # Folds go on in the same event loop: between two runs it is theirs, and a long run is read beside it.
        if len(execution.span_ids) > _LONG_STEPS:
            words.append(await asyncio.to_thread(_words_of, execution, texts[execution.window]))
        else:
            words.append(_words_of(execution, texts[execution.window]))
            await asyncio.sleep(0)
    return words


def _words_of(execution: _Unread, texts: dict[bytes, list[Sequence[str | None]]]) -> str:
    rows = [row for span_id in execution.span_ids for row in texts.get(span_id, ())]
    plain = [execution.error_message, *(text for row in rows for text in row[:2])]
    documents = [text for row in rows for text in row[2:]]
    return distinct_words([text for text in plain if text], [text for text in documents if text])
