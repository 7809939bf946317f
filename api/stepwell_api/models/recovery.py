"""Answers about how to recover a failed run."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from stepwell_api.insight.retryability import Action, Cause, Retryability
from stepwell_api.models.failures import Contrast
from stepwell_api.models.webhooks import Attempt
from stepwell_api.parameters import Text
from stepwell_api.recovering import Stage
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


class RequestedRecovery(BaseModel):
    """That a run was to be recovered, and what came of it."""

    model_config = ConfigDict(extra="forbid")

    recovery_id: str = Field(description="Also the id of the call, which is the same in all attempts")
    execution_id: str
    webhook_id: str
    action: Action
    checkpoint_id: str | None
    note: str | None
    is_forced: bool = Field(description="Whether it was asked for against the advice")
    requested_at: datetime
    state: Stage = Field(
        description="`waiting` for its call, `sent`, `refused` by the webhook, or how the run fares that came of it: "
        "`running`, `recovered`, `failed_again`"
    )
    reason: str | None = Field(description="Why the last attempt failed, or nothing was sent")
    next_attempt_at: datetime | None
    attempts: list[Attempt]
    execution_ids: list[str] = Field(description="The runs that came of it")


class RecoveryBody(BaseModel):
    """How a run is to be recovered."""

    model_config = ConfigDict(extra="forbid")

    action: Action | None = Field(
        default=None, description="`retry`, `retry_with_backoff` or `resume_from_checkpoint`; without it, as advised"
    )
    note: Text | None = Field(default=None, max_length=2_000, description="Told to the webhook, and kept")
    force: bool = Field(
        default=False, description="Also against the advice, after three recoveries in a row, or of a recovered run"
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
    retryability: Retryability | None = Field(
        description="What real repetitions after the same failure say: `passes` and `stays` where the 95 % interval "
        "(Wilson) is on one side of one half, `mixed` where it is on both, `unknown` for fewer than 5"
    )
    retry_success_rate: float | None = Field(
        description="Fraction of the repetitions after the same failure that succeeded; null where there were none"
    )
    n: int = Field(description="Repetitions after the same failure in the last 30 days, of later runs and attempts")
    later_runs: Repetitions | None = Field(
        description="Later runs that repeat such a run: that say so, have the same input of the same session and user, "
        "or, where no input is known, the same session and trigger"
    )
    later_attempts: Repetitions | None = Field(description="Later attempts of the failing step within its run")
    recovered_by: str | None = Field(description="The successful run that repeated this one, if there is one")
    action: Action | None
    reason: str = Field(description="Why this action, or why none")
    evidence: Evidence | None
    recoveries: list[RequestedRecovery] = Field(description="How it was to be recovered so far, in order")
