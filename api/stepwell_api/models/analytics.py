"""Answers about agents and their figures."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class AgentSummary(BaseModel):
    """An agent over the runs of the window."""

    model_config = ConfigDict(extra="forbid")

    agent_id: str
    agent_name: str | None = Field(description="Its name in the newest run of the window")
    executions: int = Field(description="Runs started in the window")
    successful: int
    failed: int
    timeout: int
    cancelled: int
    running: int = Field(description="Runs going on now, whenever they started")
    success_rate: float | None = Field(
        description="Fraction from 0 to 1: successful runs of finished ones (success, failed, timeout, cancelled); "
        "null where none has finished"
    )
    avg_duration_ms: float | None = Field(description="Milliseconds, over runs of known duration")
    p50_duration_ms: float | None = Field(description="Median in milliseconds, within 2 %, over runs of known duration")
    p95_duration_ms: float | None = Field(description="95th percentile, within 2 %, milliseconds over known durations")
    cost_usd: float | None = Field(description="Sum in US dollars over runs of known cost")
    prompt_tokens: int | None
    completion_tokens: int | None
    tokens: int | None = Field(description="Input and output tokens together")
    last_seen: datetime = Field(description="Last sign of life of a run of the window")


class AgentPage(BaseModel):
    """A page of agents."""

    model_config = ConfigDict(extra="forbid")

    items: list[AgentSummary]
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last one")
    total: int = Field(description="Agents that match")


class Statistics(BaseModel):
    """Headline figures. Durations are milliseconds over runs of known duration; sums are over runs that tell."""

    model_config = ConfigDict(extra="forbid")

    total_executions: int
    successful: int
    failed: int
    timeout: int
    cancelled: int
    running: int
    avg_duration: float | None = Field(description="Milliseconds")
    median_duration: float | None = Field(description="Milliseconds, within 2 %")
    p95_duration: float | None = Field(description="Milliseconds, within 2 %")
    p99_duration: float | None = Field(description="Milliseconds, within 2 %")
    total_credits: float | None
    avg_credits: float | None = Field(description="Per run that tells its credits")
    total_cost_usd: float | None = Field(description="US dollars")
    prompt_tokens: int | None
    completion_tokens: int | None
    api_calls: int


class HourPattern(BaseModel):
    """The runs that started in one hour; hours without runs are left out."""

    model_config = ConfigDict(extra="forbid")

    hour: datetime = Field(description="Start of the hour, UTC")
    execution_count: int
    avg_duration: float | None = Field(description="Milliseconds")
    p95_duration: float | None = Field(description="Milliseconds, within 2 %")
    success_rate: float = Field(description="Percent of the hour's runs, as the `success_rate` of the whole")


class Failure(BaseModel):
    """The failed runs of one error type."""

    model_config = ConfigDict(extra="forbid")

    error_type: str | None = Field(description="Null for runs that tell none")
    count: int
    avg_duration_before_failure: float | None = Field(description="Milliseconds")
    share: float = Field(description="Fraction of the failed runs, from 0 to 1")
    first_seen: datetime = Field(description="Start of the first such run in the window")
    last_seen: datetime = Field(description="Start of the last such run in the window")
    example_execution_ids: list[str] = Field(description="Up to 5 such runs, the newest first")


class DurationBucket(BaseModel):
    """The runs whose duration lies in one bucket."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_ms: float = Field(description="Milliseconds, inclusive")
    to_ms: float | None = Field(description="Milliseconds, exclusive; null for the last bucket, which is open")
    count: int


class HourResources(BaseModel):
    """What the runs that started in one hour used; null where no run tells."""

    model_config = ConfigDict(extra="forbid")

    hour: datetime = Field(description="Start of the hour, UTC")
    prompt_tokens: int | None
    completion_tokens: int | None
    credits: float | None
    cost_usd: float | None = Field(description="US dollars")
    avg_memory_mb: float | None = Field(description="Megabytes, mean over runs that tell")
    max_memory_mb: float | None = Field(description="Megabytes, within 2 %")
    api_calls: int


class Change(BaseModel):
    """Each figure against the window of the same length before, as a fraction: 0.5 is half as much again.

    Null where there was nothing to compare with: no value, or 0.
    """

    model_config = ConfigDict(extra="forbid")

    total_executions: float | None
    successful: float | None
    failed: float | None
    timeout: float | None
    cancelled: float | None
    running: float | None
    avg_duration: float | None
    median_duration: float | None
    p95_duration: float | None
    p99_duration: float | None
    total_credits: float | None
    avg_credits: float | None
    total_cost_usd: float | None
    prompt_tokens: float | None
    completion_tokens: float | None
    api_calls: float | None
    success_rate: float | None


class Analytics(BaseModel):
    """The figures of an agent, or of all of the workspace, over the runs that started in a window."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: datetime = Field(alias="from", description="Start of the window, inclusive")
    to: datetime = Field(description="End of the window, exclusive")
    statistics: Statistics
    success_rate: float | None = Field(
        description="Percent: successful runs of all runs of the window, running ones included; null without runs"
    )
    execution_patterns: list[HourPattern]
    failure_analysis: list[Failure] = Field(description="Failed runs by error type, the most frequent first")
    durations: list[DurationBucket] = Field(
        description="Histogram of known durations: ten buckets for each power of ten, from the first that holds a run "
        "to the last"
    )
    resources: list[HourResources]
    change: Change
