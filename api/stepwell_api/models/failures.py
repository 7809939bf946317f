"""Answers about failures."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from stepwell_api.models.patterns import Sample


class TrendBucket(BaseModel):
    """One stretch of the window."""

    model_config = ConfigDict(extra="forbid")

    start: datetime
    count: int = Field(description="Runs of the cluster")
    executions: int = Field(description="Runs of the agent")


class Trend(BaseModel):
    """Whether the share of such runs rises or falls over the window."""

    model_config = ConfigDict(extra="forbid")

    direction: Literal["rising", "falling", "steady"] = Field(description="`steady` unless significant at 1 %")
    p_value: float = Field(description="Cochran-Armitage test for trend, corrected over all clusters")
    buckets: list[TrendBucket] = Field(description="At most 60 stretches of equal length, from an hour on")


class Contrast(BaseModel):
    """A trait that runs of the cluster have more often than successful ones."""

    model_config = ConfigDict(extra="forbid")

    attribute: str = Field(
        description="`version`, `environment`, `model`, `hour` (of the day, UTC), `weekday`, `user_id`, `session_id`, "
        "`trigger_type`, `runtime_mode`, `framework`, `service_name`, `input.` and a key of the input, or "
        "`missing_input`: the value is a key that most inputs have"
    )
    value: str | None = Field(description="Null for runs whose input has the key, whatever its value")
    count: int = Field(description="Runs with it, of those of the cluster that were read")
    share: float = Field(description="Fraction of the runs of the cluster that were read")
    share_in_successes: float = Field(description="Fraction of the successful runs that were read")
    lift: float | None = Field(description="The one share by the other; null where no successful run has it")
    lift_low: float | None = Field(description="Lower end of the 95 % interval of the lift")
    lift_high: float | None = Field(description="Upper end; null where it is open")
    p_value: float = Field(description="Fisher's exact test, corrected over everything tested for the agent")


class FailureCluster(BaseModel):
    """Failures of one kind: the same error type, failing step and message, its variable parts masked."""

    model_config = ConfigDict(extra="forbid")

    cluster_id: str = Field(description="The runs' `error_fingerprint`")
    template: str | None = Field(
        description="The message with ids, addresses, quoted texts and numbers masked; null where none is known"
    )
    error_type: str | None
    step_name: str | None = Field(description="The step that failed: the deepest cause, not what is around it")
    status: Literal["failed", "timeout"]
    count: int = Field(description="Runs of the window")
    share: float = Field(description="Fraction of all runs in all clusters")
    avg_duration_before_failure: float | None = Field(description="Milliseconds")
    first_seen: datetime = Field(description="Start of the first such run in the window")
    last_seen: datetime = Field(description="Start of the last such run in the window")
    trend: Trend
    is_new: bool = Field(
        description="Whether there was none in the 30 days before the window, at a rate that would have shown there"
    )
    reopened_at: datetime | None = Field(
        description="When it came back after a silence of at least a day that is none by chance (1 %); else null"
    )
    sets_apart: list[Contrast] = Field(
        description="What these runs have at least 1.5 times as often as successful ones, significantly (1 %): at most "
        "10, the surest first"
    )
    example_execution_ids: list[str] = Field(description="Up to 5 such runs, the newest first")


class FailurePage(BaseModel):
    """A page of clusters, the most frequent first."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: datetime = Field(alias="from", description="Start of the window, inclusive")
    to: datetime = Field(description="End of the window, exclusive")
    items: list[FailureCluster]
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last one")
    total: int = Field(description="Clusters in all")
    total_executions: int = Field(description="Runs of the window, however they ended")
    total_failures: int = Field(description="Runs in all clusters")
    sample: Sample = Field(description="The runs that `sets_apart` is told from")
