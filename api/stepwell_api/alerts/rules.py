"""What a rule says: which figure, of which runs, compared with what, over which time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

FINE_STEP: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)
LONGEST_FINE: Final = timedelta(hours=2)
LONGEST_WINDOW: Final = timedelta(days=30)
LONGEST_FOR: Final = timedelta(days=1)
ALL: Final = ""
"""Stands for all agents, or all environments."""


class RuleKind(StrEnum):
    """What a rule is about."""

    FIGURE = "figure"
    REGRESSION = "regression"
    NEW_FAILURE = "new_failure"


class Comparator(StrEnum):
    """How a figure is compared."""

    ABOVE = "above"
    BELOW = "below"
    RISES_BY = "rises_by"
    """Above the window before by at least this fraction."""
    FALLS_BY = "falls_by"


class Severity(StrEnum):
    """How much it matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Figure(StrEnum):
    """What can be watched: of runs, by when they started; of steps by the start of their run."""

    EXECUTIONS = "executions"
    SUCCESS_RATE = "success_rate"
    FAILURE_RATE = "failure_rate"
    FAILURES = "failures"
    TIMEOUTS = "timeouts"
    AVG_DURATION = "avg_duration_ms"
    P50_DURATION = "p50_duration_ms"
    P95_DURATION = "p95_duration_ms"
    P99_DURATION = "p99_duration_ms"
    COST = "cost_usd"
    COST_PER_EXECUTION = "cost_usd_per_execution"
    TOKENS = "tokens"
    TOKENS_PER_EXECUTION = "tokens_per_execution"
    CREDITS = "credits"
    API_CALLS = "api_calls"
    STEP_CALLS = "step_calls"
    STEP_FAILURES = "step_failures"
    STEP_FAILURE_RATE = "step_failure_rate"
    STEP_P50_DURATION = "step_p50_duration_ms"
    STEP_P95_DURATION = "step_p95_duration_ms"
    STEP_COST = "step_cost_usd"
    STEP_TOKENS = "step_tokens"

    @property
    def is_of_step(self) -> bool:
        """Whether it is of one step's calls."""
        return self.value.startswith("step_")

    @property
    def counts_nothing(self) -> bool:
        """Whether it is 0, and not unknown, where nothing ran."""
        return self in _COUNTS


_COUNTS: Final = frozenset(
    (
        Figure.EXECUTIONS, Figure.FAILURES, Figure.TIMEOUTS, Figure.COST, Figure.TOKENS, Figure.CREDITS,
        Figure.API_CALLS, Figure.STEP_CALLS, Figure.STEP_FAILURES, Figure.STEP_COST, Figure.STEP_TOKENS,
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """When a rule about a figure holds."""

    figure: Figure
    comparison: Comparator
    threshold: float
    window: timedelta
    lasting: timedelta = timedelta(0)
    """How long it has to hold before the rule fires."""
    min_samples: int = 0
    """Runs or calls that the figure has to be of, in the window and in that before where both are compared."""
    step_name: str | None = None

    @property
    def step(self) -> timedelta:
        """How far apart the moments are at which it is looked at: five minutes, or whole hours from rollups."""
        return FINE_STEP if self.window <= LONGEST_FINE and not self.figure.is_of_step else HOUR

    @property
    def is_relative(self) -> bool:
        """Whether the window is compared with the one before."""
        return self.comparison in (Comparator.RISES_BY, Comparator.FALLS_BY)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Condition":
        """From what is stored."""
        return cls(
            figure=Figure(told["figure"]),
            comparison=Comparator(told["comparison"]),
            threshold=told["threshold"],
            window=timedelta(seconds=told["window_s"]),
            lasting=timedelta(seconds=told["for_s"]),
            min_samples=told["min_samples"],
            step_name=told["step_name"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule as it is stored."""

    workspace_id: UUID
    rule_id: str
    name: str
    kind: RuleKind
    agent_id: str
    environment: str
    condition: Mapping[str, Any]
    severity: Severity
    cooldown_s: int
    webhook_ids: list[str]
    is_enabled: bool
    muted_until: datetime | None
    created_at: datetime
    changed_at: datetime
    checked_at: datetime | None
    checked_until: datetime | None
    failure: str | None


def refusal(kind: RuleKind, agent_id: str, condition: Mapping[str, Any]) -> tuple[str, str] | None:
    """(parameter, what is wrong with it) of a rule that cannot be watched; ``None`` for one that can."""
    if kind is not RuleKind.FIGURE:
        return None
    told = Condition.of(condition)
    if told.figure.is_of_step and not (told.step_name and agent_id):
        return "step_name", "Should name a step, and `agent_id` its agent, for a figure of a step"
    if told.step_name and not told.figure.is_of_step:
        return "step_name", "Should be left out for a figure of runs"
    if not told.step <= told.window <= LONGEST_WINDOW or told.window % told.step:
        return "window_s", f"Should be a multiple of {told.step.total_seconds():g}, up to 30 days"
    if told.lasting > LONGEST_FOR or told.lasting % told.step:
        return "for_s", f"Should be a multiple of {told.step.total_seconds():g}, up to a day"
    if told.is_relative and told.threshold <= 0:
        return "threshold", "Should be a fraction above 0, such as 0.5 for half as much again"
    return None
