"""The ledger: what became of everything that came in, by workspace, API key, signal and hour of arrival.

received = stored + duplicate + rejected, and what is there now = stored - replaced - dropped; both hold at any moment,
because each count is written in the transaction that it tells of. Writers and folds append entries, which never wait
for each other; the worker sums them up by the hour, and readers add both. An entry may be negative: what a fold finds
about a trace is corrected by the next one (`findings`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg

from stepwell_storage import metrics, queries
from stepwell_storage.model import STEPS, Fact

SQL = queries.load("ledger")

LATE_AFTER_S: Final = 300
"""A span that is stored this long after its end, or a running one after its start, is late."""
TRACES: Final = "traces"
_ENTRIES_AT_ONCE: Final = 10_000
TURN: Final = 0x5743_0004
"""Key of the advisory lock by which one sums up at a time; `rollups.compaction` and `retention` have others."""


class Outcome(StrEnum):
    """What is counted: items of a signal, unless told otherwise."""

    RECEIVED = "received"
    """In requests that were answered with success, in full or in part."""
    STORED = "stored"
    """New."""
    DUPLICATE = "duplicate"
    """Stored before, so that they changed nothing."""
    REJECTED = "rejected"
    """Unfit to be stored, by reason."""
    LIVE = "live"
    """Among the stored: spans that told their start alone."""
    LATE = "late"
    """Among the stored: spans that came `LATE_AFTER_S` after they had ended."""
    REPLACED = "replaced"
    """Live spans that are gone since their finished span is there."""
    DROPPED = "dropped"
    """Stored items that were deleted again, by reason."""
    ORPHANED = "orphaned"
    """Stored spans whose parent, of the same process as far as they tell, is not there."""
    EXCLUDED_PROMPT_TOKENS = "excluded_prompt_tokens"
    """Tokens that no execution counts, because another span reports them too."""
    EXCLUDED_COMPLETION_TOKENS = "excluded_completion_tokens"
    REFUSED = "refused"
    """Requests that were refused as a whole, by reason; what they held is not received."""


@dataclass(frozen=True, slots=True)
class Source:
    """Which signal came by which key of which workspace; the key is ``None`` without authentication."""

    workspace_id: UUID
    key_id: str | None = None
    signal: str = TRACES

    def line(self, outcome: Outcome, reason: str = "", hour: datetime | None = None) -> "Line":
        """The line of the ledger that an amount of it stands on."""
        return Line(self.workspace_id, self.key_id or "", self.signal, outcome, reason, hour)


class Line(NamedTuple):
    """Where an amount stands in the ledger; no hour means that of the transaction."""

    workspace_id: UUID
    key_id: str
    signal: str
    outcome: Outcome
    reason: str = ""
    hour: datetime | None = None


Tally = Counter[Line]
"""Amounts that are to be added, or taken away where they are negative."""


def count(source: Source, new: Sequence[Fact], duplicates: int, rejected: Mapping[str, int], now_ns: int) -> Tally:
    """What became of the items of one request, or of a part of it; `now_ns` since 1970 tells which are late."""
    steps = [fact for fact in new if isinstance(fact, STEPS)]
    late_before_ns = now_ns - LATE_AFTER_S * 1_000_000_000
    tally = Tally(
        {
            source.line(Outcome.RECEIVED): len(new) + duplicates + sum(rejected.values()),
            source.line(Outcome.STORED): len(new),
            source.line(Outcome.DUPLICATE): duplicates,
            source.line(Outcome.LIVE): sum(step.is_live for step in steps),
            source.line(Outcome.LATE): sum((step.end_ns or step.start_ns) < late_before_ns for step in steps),
        }
    )
    tally.update({source.line(Outcome.REJECTED, reason): amount for reason, amount in rejected.items()})
    return tally


async def append(connection: psycopg.AsyncConnection[Any], tally: Tally) -> None:
    """Writes a tally in the caller's transaction; `observe` it once that has committed."""
    lines = [line for line, amount in tally.items() if amount]
    if not lines:
        return
    parameters = {
        "workspace_ids": [line.workspace_id for line in lines],
        "key_ids": [line.key_id for line in lines],
        "signals": [line.signal for line in lines],
        "outcomes": [line.outcome.value for line in lines],
        "reasons": [line.reason for line in lines],
        "hours": [line.hour for line in lines],
        "amounts": [tally[line] for line in lines],
    }
    await connection.execute(SQL.append_entries, parameters)


def observe(tally: Tally) -> None:
    """Counts a tally in the metrics that nobody nearer to the event counts."""
    for line, amount in tally.items():
        if line.outcome is Outcome.LATE:
            metrics.SPANS_LATE.inc(amount)
        elif line.outcome is Outcome.ORPHANED:
            (metrics.SPANS_ORPHANED if amount > 0 else metrics.SPANS_REUNITED).inc(abs(amount))
        elif line.outcome is Outcome.EXCLUDED_PROMPT_TOKENS:
            metrics.TOKENS_EXCLUDED.labels("prompt").inc(max(amount, 0))
        elif line.outcome is Outcome.EXCLUDED_COMPLETION_TOKENS:
            metrics.TOKENS_EXCLUDED.labels("completion").inc(max(amount, 0))


async def sum_entries(connection: psycopg.AsyncConnection[Any]) -> None:
    """Moves all entries into the sums of their hours, a bounded number in each transaction; the worker's housekeeping.

    Runs in transactions of its own unless the caller has one.
    """
    moved = _ENTRIES_AT_ONCE
    while moved == _ENTRIES_AT_ONCE:
        cursor = await connection.execute(SQL.sum_entries, {"limit": _ENTRIES_AT_ONCE, "turn": TURN})
        row = await cursor.fetchone()
        moved = 0 if row is None else row[0]
