"""What the fold finds about each step of a run, as arrays on its execution: a page of steps is read without a fold.

The arrays are in order of the steps, like ``step_span_ids`` and ``step_attempts``. Steps themselves stay as they came.
`executions` writes the columns, the API reads slices of them. If you change what a mark's bits mean, every execution
has to be folded anew.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from stepwell_storage.arrays import array_of
from stepwell_storage.model import Execution, Placement, Status, Step

_HAS_PARENT: Final = 1
_IS_CRITICAL: Final = 2
_COUNTS_TOKENS: Final = 4
_STATUS_SHIFT: Final = 3
"""Above these bits: 0 where the step's own status holds, else one more than the index in `_STATUSES`."""
_STATUSES: Final = (
    Status.PENDING, Status.RUNNING, Status.SUCCESS, Status.FAILED, Status.TIMEOUT, Status.CANCELLED,
)  # fmt: skip


class Place(NamedTuple):
    """Where a step stands in its run, and what the other steps make of it; a tuple because a run may have many."""

    span_id: bytes
    index: int  # type: ignore[assignment]  # of the step in its run; nobody looks for values in a place
    depth: int
    attempt: int
    has_parent: bool
    """Whether the step's parent span is a step of the run as well."""
    duplicate_of: int | None
    """Index of the step that counts where this one reports the same model call again."""
    counts_tokens: bool
    self_duration_ms: float | None
    on_critical_path: bool
    told_status: Status | None
    """Another report's worse status; ``None`` where the step's own holds."""

    def status_of(self, step: Step) -> Status:
        """The status of the step of this place."""
        return self.told_status or step.status

    def operation_of(self, step: Step) -> str:
        """The operation of the step of this place: ``chain`` for a second report of a call."""
        return step.operation if self.duplicate_of is None else "chain"


def place_of(placement: Placement) -> Place:
    """The place that a fold has just found."""
    step = placement.step
    return Place(
        span_id=step.span_id,
        index=placement.index,
        depth=placement.depth,
        attempt=placement.attempt,
        has_parent=placement.parent_index is not None,
        duplicate_of=placement.duplicate_of,
        counts_tokens=placement.counts_tokens,
        self_duration_ms=placement.self_duration_ms,
        on_critical_path=placement.on_critical_path,
        told_status=None if placement.status is step.status else placement.status,
    )


def columns_of_places(execution: Execution) -> tuple[str, str, str, str]:
    """``step_depths``, ``step_marks``, ``step_self_ms`` and ``duplicates_of``, as PostgreSQL writes arrays."""
    places = execution.placements
    return (
        array_of(place.depth for place in places),
        array_of(map(_mark, places)),
        array_of("NULL" if place.self_duration_ms is None else place.self_duration_ms for place in places),
        array_of(place.duplicate_of for place in places if place.duplicate_of is not None),
    )


def read_places(first: int, rows: Iterable[Sequence[Any]], duplicates: dict[bytes, int]) -> list[Place]:
    """Places from rows of (span id, attempt, depth, mark, own milliseconds), of which the first has the index `first`.

    `duplicates` has the span ids of repeated reports, with the index of the step that each repeats.
    """
    told = (None, *_STATUSES)
    return [
        Place(
            span_id,
            index,
            depth,
            attempt,
            mark & _HAS_PARENT != 0,
            duplicates.get(span_id),
            mark & _COUNTS_TOKENS != 0,
            self_ms,
            mark & _IS_CRITICAL != 0,
            told[mark >> _STATUS_SHIFT],
        )
        for index, (span_id, attempt, depth, mark, self_ms) in enumerate(rows, first)
    ]


def _mark(placement: Placement) -> int:
    is_told = placement.status is not placement.step.status
    return (
        (placement.parent_index is not None) * _HAS_PARENT
        | placement.on_critical_path * _IS_CRITICAL
        | placement.counts_tokens * _COUNTS_TOKENS
        | (_STATUSES.index(placement.status) + 1 if is_told else 0) << _STATUS_SHIFT
    )
