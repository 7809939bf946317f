"""Group commit: many requests share one transaction, and each is answered only after it is durable.

Steps and log records are sharded by trace, samples of memory by process, over a few `Writer`s, each with a connection
of its own, so that writers never meet in the same rows. What waits is bounded by its size and its number, in all and by
key; beyond it, senders are told when to come back. Workspaces take turns (`sharing`).
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from stepwell_storage import ledger, metrics
from stepwell_storage.errors import DatabaseUnavailableError, QueueFullError
from stepwell_storage.model import Fact, MemorySample
from stepwell_storage.partitions import KnownDays
from stepwell_storage.retention.horizon import Horizons
from stepwell_storage.session import SHORTEST_RETRY_S
from stepwell_storage.settings import Settings
from stepwell_storage.sharing import Room
from stepwell_storage.writer import CommitResult, Part, Writer

__all__ = ["CommitResult", "Committer"]

WRITERS: Final = 2
LONGEST_RETRY_S: Final = 30.0


class Committer:
    """Takes facts from any number of requests and commits them in groups."""

    def __init__(self, settings: Settings, *, writers: int = WRITERS) -> None:
        self._bytes = Room(settings.max_queued_bytes, settings.max_key_share)
        self._facts = Room(settings.max_queued_spans, settings.max_key_share)
        self._notes: dict[ledger.Source, Part] = {}
        days, horizons = KnownDays(), Horizons()
        self._writers = [Writer(settings.database_url, days, horizons) for _ in range(writers)]
        self._tasks: list[asyncio.Task[None]] = []
        self._is_open = False

    @property
    def queued_bytes(self) -> int:
        """Size of what waits for its commit, what is being committed included."""
        return self._bytes.used

    async def start(self) -> None:
        """Starts the writers. A database that is away is no error here: submits say so until it is back."""
        self._tasks = [asyncio.create_task(writer.run()) for writer in self._writers]
        self._is_open = True

    async def submit(
        self,
        workspace_id: UUID,
        facts: Sequence[Fact],
        size_bytes: int,
        *,
        key_id: str | None = None,
        signal: str = ledger.TRACES,
        rejected: Mapping[str, int] | None = None,
    ) -> CommitResult:
        """Stores the facts and returns when that is durable, and the ledger knows of them.

        Args:
            workspace_id: whose they are.
            facts: all of one signal.
            size_bytes: of the request that they came in.
            key_id: the API key that they came by.
            signal: which one, for the ledger.
            rejected: items of the same request that are not stored, by reason, for the ledger.

        Raises:
            QueueFullError: too much waits already; nothing of this submit is stored.
            DatabaseUnavailableError: the database is away, or we are stopping; some of it may be stored, and sending
                all of it again is right.
        """
        if not self._is_open:
            raise DatabaseUnavailableError("This process takes no data now")
        if not (facts or rejected):
            return CommitResult()
        self.require_room(workspace_id, key_id, size_bytes, len(facts))
        source = ledger.Source(workspace_id, key_id, signal)
        parts = self._parts(source, facts, size_bytes, rejected or {})
        with self._queued(source, size_bytes, len(facts)):
            for writer, part in parts:
                writer.put(part)
            results = await asyncio.gather(*[part.result for _, part in parts])
        return sum(results, CommitResult())

    def refuse(self, workspace_id: UUID, *, key_id: str | None, signal: str, reason: str) -> None:
        """Notes in the ledger that a request was refused as a whole; nobody waits for it, and a crash forgets it."""
        if not self._is_open:
            return
        source = ledger.Source(workspace_id, key_id, signal)
        note = self._notes.get(source)
        if note is None or not note.is_waiting:
            # One note for each source, however many requests are refused while it waits.
            result: asyncio.Future[CommitResult] = asyncio.get_running_loop().create_future()
            result.cancel()
            note = self._notes[source] = Part(source, (), 0, result)
            self._writers[0].put(note)
        note.refused[reason] += 1

    async def stop(self) -> None:
        """Commits what waits and ends the writers; submits that come later are refused."""
        self._is_open = False
        for writer in self._writers:
            writer.finish()
        await asyncio.gather(*self._tasks)
        self._tasks = []

    def require_room(self, workspace_id: UUID, key_id: str | None, size_bytes: int, count: int) -> None:
        """Asks whether so much may wait now.

        Raises:
            QueueFullError: too much waits already, in all or of this key.
        """
        key = None if key_id is None else (workspace_id, key_id)
        if self._bytes.fits(size_bytes, key) and self._facts.fits(count, key):
            return
        bytes_per_s = sum(writer.bytes_per_s for writer in self._writers)
        # A group that takes longer than ever says more of the rate than those before it.
        backlog_s = max(self._bytes.used / bytes_per_s, *(writer.busy_s for writer in self._writers))
        retry_after_s = min(max(backlog_s, SHORTEST_RETRY_S), LONGEST_RETRY_S)
        raise QueueFullError("Too much is waiting to be stored; try again later", retry_after_s=retry_after_s)

    @contextmanager
    def _queued(self, source: ledger.Source, size_bytes: int, count: int) -> Iterator[None]:
        """Counts a submit as waiting during the block."""
        key = None if source.key_id is None else (source.workspace_id, source.key_id)
        metrics.QUEUED_BYTES.inc(size_bytes)
        metrics.QUEUED_SPANS.inc(count)
        try:
            with self._bytes.held(size_bytes, key), self._facts.held(count, key):
                yield
        finally:
            metrics.QUEUED_BYTES.dec(size_bytes)
            metrics.QUEUED_SPANS.dec(count)

    def _parts(
        self, source: ledger.Source, facts: Sequence[Fact], size_bytes: int, rejected: Mapping[str, int]
    ) -> list[tuple[Writer, Part]]:
        """The facts by writer; what is rejected goes with the first of them."""
        loop = asyncio.get_running_loop()
        shards: list[list[Fact]] = [[] for _ in self._writers]
        for fact in facts:
            shard = fact.process_key if isinstance(fact, MemorySample) else fact.trace_id
            shards[hash(shard) % len(shards)].append(fact)
        used = [(writer, shard) for writer, shard in zip(self._writers, shards, strict=True) if shard]
        parts = [
            (writer, Part(source, shard, size_bytes * len(shard) // max(len(facts), 1), loop.create_future()))
            for writer, shard in used or [(self._writers[0], [])]
        ]
        parts[0][1].rejected = rejected
        return parts
