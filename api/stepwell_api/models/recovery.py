"""Answers about how to recover a failed run."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from stepwell_api.insight.retryability import Action, Cause
from stepwell_api.models.failures import Contrast
from stepwell_storage.model import Status


class FailingStep(BaseModel):
    """The step at which the run failed: the deepest cause, not what is around it."""

    model_config = ConfigDict(extra="forbid")

    span_id: str
    step_index: int
    step_name: str
    operation: str
    status: Status
    attempt: int = Field(description="1 for the first call, 2 for the first repetition after a failure, and so on")
    start_time: datetime
    duration_ms: float | None
    error_type: str | None
    error_message: str | None


class Saved(BaseModel):
    """What need not be done again when the run goes on from a checkpoint."""

    model_config = ConfigDict(extra="forbid")

    duration_ms: float = Field(description="Milliseconds from the run's start to the checkpoint")
    tokens: int | None = Field(description="Of the model calls that ended by then; null where none is known")
    cost_usd: float | None
    steps: int = Field(description="Steps that ended by then")


class LastCheckpoint(BaseModel):
    """The newest state that the run saved."""

    model_config = ConfigDict(extra="forbid")

    id: str
    time: datetime
    step_name: str
    span_id: str
    state: Any = Field(description="What the agent saved; null where it did not tell")
    resume: Any = Field(description="What its framework needs to go on from there; null for `stepwell.checkpoint`")
    how: str = Field(description="How to go on from it, in words")
    saves: Saved | None = Field(description="Null where the run's steps are gone")


class Repetitions(BaseModel):
    """How often something was repeated after the same failure."""

    model_config = ConfigDict(extra="forbid")

    n: int
    succeeded: int


class Evidence(BaseModel):
    """The figures behind the advice."""

    model_config = ConfigDict(extra="forbid")

    cause: Cause = Field(description="What kind of failure its error type and message tell of")
    n: int = Field(description="Repetitions after the same failure: later runs and later attempts")
    retry_success_rate: float | None
    retry_success_rate_low: float | None = Field(description="Lower end of the 95 % interval (Wilson)")
    retry_success_rate_high: float | None
    failed_after_ms: float | None = Field(description="How long the failing step took, in milliseconds")
    usual_p95_ms: float | None = Field(
        description="95th percentile of the step's successful calls in the week before, failed ones being taken for "
        "the slowest; null unless at least half of the calls succeed"
    )
    sets_apart: list[Contrast] = Field(
        description="Traits of this run's input that set such failures apart from successes"
    )


class Recovery(BaseModel):
    """Where a run failed and what to do about it; all null for a run that did not fail."""

    model_config = ConfigDict(extra="forbid")

    execution_id: str
    agent_id: str
    status: Status
    error_type: str | None
    error_message: str | None
    cluster_id: str | None = Field(
        description="The failures of the same kind, as `/agents/{agent_id}/failures` has them"
    )
    failing_step: FailingStep | None
    last_checkpoint: LastCheckpoint | None
    retry_success_rate: float | None = Field(
        description="Fraction of the repetitions after the same failure that succeeded; null where there were none"
    )
    n: int = Field(description="Repetitions after the same failure in the last 30 days, of later runs and attempts")
    later_runs: Repetitions | None = Field(
        description="Later runs of the same session; without a session, with the same input; else of the same user"
    )
    later_attempts: Repetitions | None = Field(description="Later attempts of the failing step within its run")
    recovered_by: str | None = Field(description="The successful run that repeated this one, if there is one")
    action: Action | None
    reason: str = Field(description="Why this action, or why none")
    evidence: Evidence | None
