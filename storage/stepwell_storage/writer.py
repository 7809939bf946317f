"""One writer of the group commit: a queue, a connection, and what to do when either gives trouble.

`commit` spreads the facts over several writers. What the database refuses for its content is narrowed down to the
single one, so that a bad one harms no other; what fails because the database is away goes back to the senders.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

import psycopg

from stepwell_storage import ledger, metrics
from stepwell_storage.errors import DatabaseUnavailableError
from stepwell_storage.facts import insert_facts
from stepwell_storage.model import STEPS, Fact
from stepwell_storage.partitions import KnownDays
from stepwell_storage.retention.horizon import TOO_OLD, Horizons
from stepwell_storage.row_keys import RecentKeys
from stepwell_storage.rows import UnstorableStepError
from stepwell_storage.session import Session
from stepwell_storage.sharing import Turns

LOGGER = logging.getLogger(__name__)

GROUP_FACTS: Final = 8_000
GROUP_BYTES: Final = 16 * 1024 * 1024
FACT_BYTES: Final = 1024
"""What a fact costs beside its bytes, in memory and in work."""

TRIES: Final = 3

# Until measured; only the advice of when to try again depends on it.
ASSUMED_BYTES_PER_S: Final = 10_000_000.0

UNSTORABLE: Final = "unstorable"

CONTENT_ERRORS = (
    UnstorableStepError,
    psycopg.DataError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
)
"""What is wrong with the facts themselves; sending them again would not help. No broken constraint is among them: none
of ours can be broken by content, so that would be an error of ours, and the senders keep their data."""

TOO_MUCH_AT_ONCE = (psycopg.errors.OutOfMemory,)
"""More than the database can lock in one transaction, as spans of a thousand different days do: less of it may fit."""

PASSING_ERRORS = (
    # Rows that are there already although this process has not seen them; the next attempt looks for them.
    psycopg.errors.UniqueViolation,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
    # A row for the default partition whose day got a partition of its own in the same moment.
    psycopg.errors.CheckViolation,
)
"""What the same transaction may well not meet a second time."""


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What became of the facts of one submit, all of it durable; the four counts add up to the facts."""

    stored: int = 0
    """New steps, running ones included, and new log records."""
    duplicate: int = 0
    """Facts that changed nothing, because they are stored already."""
    rejected: int = 0
    """Facts that the database cannot take; sending them again would not help."""
    reason: str | None = None
    """Why, as a word for ``stepwell_spans_rejected_total``; ``None`` where none was rejected."""
    too_old: int = 0
    """Facts from before what the workspace still keeps."""

    def __add__(self, other: "CommitResult") -> "CommitResult":
        return CommitResult(
            self.stored + other.stored,
            self.duplicate + other.duplicate,
            self.rejected + other.rejected,
            self.reason or other.reason,
            self.too_old + other.too_old,
        )


@dataclass(slots=True)
class Part:
    """The facts of one submit that belong to one writer, what the ledger is to know of it, and the promised result."""

    source: ledger.Source
    facts: Sequence[Fact]
    size_bytes: int
    result: asyncio.Future[CommitResult]
    rejected: Mapping[str, int] = field(default_factory=dict)
    """What of the submit is not stored, and why; not told in the result."""
    refused: Counter[str] = field(default_factory=Counter)
    """How many requests were refused as a whole, by reason."""
    is_waiting: bool = True
    """Whether no group has it yet."""

    @property
    def cost(self) -> int:
        """What it takes to commit, in bytes."""
        return self.size_bytes + len(self.facts) * FACT_BYTES


class Writer:
    """Commits what is put into its queue, group after group; everything of a trace goes through the same writer."""

    def __init__(self, url: str, days: KnownDays, horizons: Horizons) -> None:
        self.bytes_per_s = ASSUMED_BYTES_PER_S
        """How fast groups went lately."""
        self._days = days
        self._horizons = horizons
        self._session = Session(url)
        self._recent = RecentKeys()
        self._queue: Turns[Part] = Turns()
        self._began_s: float | None = None
        self._wake = asyncio.Event()
        self._is_finishing = False

    @property
    def busy_s(self) -> float:
        """For how long the group has been on its way that is being committed now."""
        return 0.0 if self._began_s is None else time.perf_counter() - self._began_s

    def put(self, part: Part) -> None:
        """Lets the part wait for a group; workspaces take turns."""
        self._queue.put(part.source.workspace_id, part, part.cost)
        self._wake.set()

    def finish(self) -> None:
        """Lets `run` return once the queue is empty."""
        self._is_finishing = True
        self._wake.set()

    async def run(self) -> None:
        """Commits until `finish`; cancelled before, it cancels what still waits."""
        try:
            while self._queue or not self._is_finishing:
                self._wake.clear()
                if self._queue:
                    await self._commit(self._next_group())
                else:
                    await self._wake.wait()
        finally:
            while self._queue:
                self._queue.take().result.cancel()
            await self._session.close()

    def _next_group(self) -> list[Part]:
        """All that waits, within the bounds of a group; at least one part."""
        group: list[Part] = []
        count = size_bytes = 0
        while self._queue and count < GROUP_FACTS and size_bytes < GROUP_BYTES:
            part = self._queue.take()
            part.is_waiting = False
            group.append(part)
            count += len(part.facts)
            size_bytes += part.size_bytes
        return group

    async def _commit(self, group: list[Part]) -> None:
        """Stores a group and answers its parts, come what may: nobody may wait forever."""
        size_bytes = sum(part.size_bytes for part in group)
        self._began_s = time.perf_counter()
        try:
            await self._store(group)
            self._measure(group, size_bytes, self.busy_s)
        except DatabaseUnavailableError as error:
            _fail(group, error)
        except Exception as error:  # the border of the writer's task, which must go on
            LOGGER.exception("A group commit failed for a reason that nothing here expects")
            _fail(group, error)
        finally:
            self._began_s = None
            for part in group:
                part.result.cancel()

    def _measure(self, group: list[Part], size_bytes: int, took_s: float) -> None:
        if size_bytes:
            self.bytes_per_s += 0.2 * (size_bytes / max(took_s, 1e-6) - self.bytes_per_s)
        metrics.COMMIT_SECONDS.observe(took_s)
        metrics.COMMIT_SPANS.observe(sum(len(part.facts) for part in group))

    async def _store(self, group: list[Part]) -> None:
        """One transaction for all parts; where their content forbids it, one for each."""
        try:
            results = await self._insert(group)
        except (*CONTENT_ERRORS, *TOO_MUCH_AT_ONCE) as error:
            LOGGER.warning("The database cannot take a part of a group", extra=_cause(error))
            for part in group:
                _resolve(part, await self._store_sound(part))
            return
        for part, result in zip(group, results, strict=True):
            _resolve(part, result)

    async def _store_sound(self, part: Part) -> CommitResult:
        """Stores the part's facts without the bad ones, which it finds by halving."""
        try:
            (result,) = await self._insert([part])
        except (*CONTENT_ERRORS, *TOO_MUCH_AT_ONCE) as error:
            count = len(part.facts)
            if count <= 1:
                if isinstance(error, TOO_MUCH_AT_ONCE):
                    raise _unavailable(error) from error
                # Without facts there is nothing left that could be wrong with them.
                await self._insert(
                    [replace(part, facts=(), rejected=Counter(part.rejected) + Counter({UNSTORABLE: count}))]
                )
                return CommitResult(rejected=count, reason=UNSTORABLE)
            first = await self._store_sound(replace(part, facts=part.facts[: count // 2]))
            return first + await self._store_sound(
                replace(part, facts=part.facts[count // 2 :], rejected={}, refused=Counter())
            )
        return result

    async def _insert(self, group: Sequence[Part]) -> list[CommitResult]:
        """One transaction, tried again where its failure has passed or a new connection may help.

        Storing the same facts again changes nothing, so this is safe even where the answer to a COMMIT was lost; the
        ledger then has them as received twice.
        """
        for attempt in range(1, TRIES + 1):
            connection = await self._session.connection()
            try:
                return await self._insert_once(connection, group)
            except (psycopg.Error, UnstorableStepError) as error:
                if not isinstance(error, psycopg.errors.UniqueViolation):
                    metrics.COMMIT_FAILURES.labels(type(error).__name__).inc()
                is_last = attempt == TRIES
                if isinstance(error, PASSING_ERRORS) and not is_last:
                    continue
                if isinstance(error, (*CONTENT_ERRORS, *TOO_MUCH_AT_ONCE)):
                    raise
                if connection.closed and not is_last:
                    continue
                raise _unavailable(error) from error
        raise AssertionError("the last attempt returns or raises")

    async def _insert_once(self, connection: psycopg.AsyncConnection, group: Sequence[Part]) -> list[CommitResult]:
        await self._horizons.refresh(connection)
        young = [_without_old(part, self._horizons) for part in group]
        batches: dict[UUID, list[Fact]] = {}
        for part in young:
            batches.setdefault(part.source.workspace_id, []).extend(part.facts)
        starts_ns = (fact.start_ns for part in young for fact in part.facts if isinstance(fact, STEPS))
        await self._days.ensure(connection, starts_ns)
        tally = ledger.Tally()
        now_ns = time.time_ns()
        async with connection.transaction():
            insertion = await insert_facts(connection, batches, recent=self._recent)
            repeated = Counter(map(id, insertion.repeated))
            results = [
                replace(_count(kept, repeated, tally, now_ns), too_old=len(part.facts) - len(kept.facts))
                for part, kept in zip(group, young, strict=True)
            ]
            await ledger.append(connection, tally)
        ledger.observe(tally)
        return results


def _without_old(part: Part, horizons: Horizons) -> Part:
    """The part without what is too old to be kept, which is rejected instead."""
    young = horizons.young(part.source.workspace_id, part.facts)
    if len(young) == len(part.facts):
        return part
    old = Counter({TOO_OLD: len(part.facts) - len(young)})
    return replace(part, facts=young, rejected=Counter(part.rejected) + old)


def _unavailable(error: Exception) -> DatabaseUnavailableError:
    """What keeps us from storing although the facts may be fine: the senders keep them."""
    LOGGER.warning("A group commit failed", extra=_cause(error))
    return DatabaseUnavailableError(f"The database did not take the data: {type(error).__name__}")


def _cause(error: Exception) -> dict[str, str | None]:
    """The error's kind for a log; its text may hold what users sent."""
    return {
        "error_type": type(error).__name__,
        "sqlstate": error.sqlstate if isinstance(error, psycopg.Error) else None,
    }


def _count(part: Part, repeated: Counter[int], tally: ledger.Tally, now_ns: int) -> CommitResult:
    """The part's share of the group's repeated facts, which are told by identity; adds to the tally."""
    new = part.facts
    if repeated:
        new = []
        for fact in part.facts:
            if repeated[id(fact)]:
                repeated[id(fact)] -= 1
            else:
                new.append(fact)
    duplicate = len(part.facts) - len(new)
    tally.update(ledger.count(part.source, new, duplicate, part.rejected, now_ns))
    for reason, requests in part.refused.items():
        tally[part.source.line(ledger.Outcome.REFUSED, reason)] += requests
    return CommitResult(stored=len(new), duplicate=duplicate)


def _resolve(part: Part, result: CommitResult) -> None:
    """Answers a part, unless whoever sent it has given up waiting."""
    if not part.result.done():
        part.result.set_result(result)


def _fail(group: list[Part], error: Exception) -> None:
    for part in group:
        if not part.result.done():
            part.result.set_exception(error)
