"""Which traces are folded next: what somebody waits for first, a few at a time, and many only where many wait. Pure.

Finished runs go before new ones, these before those that grow; whatever has waited for long goes before all. A fold of
few traces is soon visible, one of many costs less for each of them.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from stepwell_storage import folding
from stepwell_storage.folding import DirtyTrace, Key
from stepwell_storage.rests import Rests

FEW_TRACES: Final = 16
FEW_STEPS: Final = 2_000
SHARE: Final = 4
"""Of what is due, a batch takes one part in so many, from `FEW_TRACES` to `folding.MAX_TRACES`."""
OVERDUE: Final = timedelta(seconds=1)
GATHER: Final = timedelta(milliseconds=40)
"""Where no run may be over, traces wait as long for others to be folded with: each fold costs something by itself."""
MANY_MARKS: Final = folding.MAX_MARKS


def next_batch(
    waiting: Sequence[DirtyTrace], rests: Rests, folding_now: Collection[Key], *, now_s: float, now: datetime
) -> tuple[list[DirtyTrace], float]:
    """The traces of the next fold, and the seconds until there may be others; no traces where none is due.

    Args:
        waiting: the traces with marks, the oldest first.
        rests: which of them were folded lately.
        folding_now: those that another fold holds.
        now_s: of the clock of `rests`.
        now: of the database.
    """
    free = [trace for trace in waiting if trace.key not in folding_now]
    waits_s = [rests.wait_s(trace, now_s) for trace in free]
    if sum(len(trace.sequences) for trace in waiting) >= MANY_MARKS:
        waits_s = [0.0] * len(free)  # marks of resting traces would hide the others
    due = [trace for trace, wait_s in zip(free, waits_s, strict=True) if not wait_s]
    if not due:
        return [], min(waits_s, default=float("inf"))
    gather_s = _gather_s(due, now)
    if gather_s:
        return [], gather_s
    due.sort(key=lambda trace: _rank(trace, rests, now))
    many = min(max(len(due) // SHARE, FEW_TRACES), folding.MAX_TRACES)
    return _batch(due, rests, many, FEW_STEPS * many // FEW_TRACES), 0.0


def _gather_s(due: Sequence[DirtyTrace], now: datetime) -> float:
    """How long what is due waits for company yet."""
    if len(due) >= FEW_TRACES or any(trace.may_end_run for trace in due):
        return 0.0
    waited = now - min(trace.marked_at for trace in due)
    # Less than nothing where the database's clock is ahead of ours.
    return (GATHER - waited).total_seconds() if timedelta(0) <= waited < GATHER else 0.0


def _rank(trace: DirtyTrace, rests: Rests, now: datetime) -> tuple[int, datetime]:
    if now - trace.marked_at > OVERDUE:
        return 0, trace.marked_at
    if trace.may_end_run:
        return 1, trace.marked_at
    return (3 if rests.is_resting(trace.key) else 2), trace.marked_at


def _batch(due: Iterable[DirtyTrace], rests: Rests, many: int, steps: int) -> list[DirtyTrace]:
    """The first of them, within bounds; at least one. What is too large for them waits until it is the first."""
    batch: list[DirtyTrace] = []
    left = min(steps, folding.MAX_SPANS)
    for trace in due:
        size = max(rests.steps(trace.key) + trace.span_count, 1)
        if batch and size > left:
            continue
        batch.append(trace)
        left -= size
        if len(batch) == many:
            break
    return batch
