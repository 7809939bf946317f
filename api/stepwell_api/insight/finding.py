"""What a detector gives: one entry for each hypothesis it tested, whether it holds or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The kinds of suggestions, the most specific cause first: where two tell the same, the earlier one stays."""

    STUCK_LOOP = "stuck_loop"
    RETRY_WASTE = "retry_waste"
    TIMEOUT_RISK = "timeout_risk"
    FAILING_INPUT = "failing_input"
    PEAK_HOURS = "peak_hours"
    TOKEN_GROWTH = "token_growth"  # noqa: S105 - tokens of models
    FAILURE_REGRESSION = "failure_regression"
    LATENCY_REGRESSION = "latency_regression"
    FLAKY_STEP = "flaky_step"
    DUPLICATE_CALLS = "duplicate_calls"
    PARALLELIZABLE_STEPS = "parallelizable_steps"
    FAILING_STEP = "failing_step"
    UNDERPERFORMING_PATH = "underperforming_path"
    BOTTLENECK_STEP = "bottleneck_step"


class State(StrEnum):
    """Where a suggestion stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"
    DONE = "done"


class Toll(StrEnum):
    """What a cause costs; one cause can explain another finding only where they share a toll."""

    FAILURES = "failures"
    TIME = "time"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Saving:
    """What would be saved by mending it, in sums over the runs that were looked at."""

    executions: float = 0.0
    """Runs of the window that it touches (weighted)."""
    duration_ms: float = 0.0
    """Over all of these runs together."""
    cost_usd: float = 0.0
    failures: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One tested hypothesis."""

    kind: Kind
    target: Mapping[str, Any]
    """The keys of the contract's table."""
    p_value: float
    test: str
    """The test behind `p_value`, in words."""
    holds: bool
    """Whether sample and effect are large enough; significance is decided over all findings together."""
    n: int
    """Runs, or calls, that the test counted."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """The numbers behind the claim."""
    tolls: frozenset[Toll] = frozenset()
    runs: frozenset[int] = frozenset()
    """Indexes, in the frame, of the runs that the cause touches: without them, what it explains is gone."""
    examples: Sequence[int] = ()
    """Indexes of runs to look at, the best first."""
    saving: Saving = Saving()

    @property
    def key(self) -> tuple[str, str]:
        """Orders findings, and tells the same one found twice."""
        return self.kind.value, repr(sorted(self.target.items()))


def is_range(figures: Mapping[str, Any]) -> bool:
    """Whether figures of a `failing_input` are of a range of numbers, whose end may move a little with every run."""
    return "ranges_tried" in figures


def identity_of(finding: Finding) -> Mapping[str, Any]:
    """What stays the same of the target when more runs come or some are left out."""
    target = {key: value for key, value in finding.target.items() if key != "error_type"}
    if is_range(finding.figures):
        target["input_value"] = target["input_value"].split()[0]
    return target
