"""Answers about runs that go on now."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from stepwell_storage.model import Status


class CurrentStep(BaseModel):
    """The step that a run is at: of those that have started and not ended, the last."""

    model_config = ConfigDict(extra="forbid")

    span_id: str
    step_name: str
    step_type: str
    operation: str
    start_time: datetime
    elapsed_ms: float


class LiveExecution(BaseModel):
    """A run that goes on now."""

    model_config = ConfigDict(extra="forbid")

    execution_id: str
    trace_id: str
    agent_id: str
    agent_name: str | None
    status: Status = Field(description="`pending` or `running`")
    environment: str | None
    version: str | None
    user_id: str | None
    session_id: str | None
    start_time: datetime
    last_activity_at: datetime = Field(description="Last sign of life")
    steps_total: int = Field(description="Steps seen so far")
    steps_completed: int = Field(description="Of these, the ones that have ended")
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    elapsed_ms: float
    expected_duration_ms: float | None = Field(
        description="Median of the agent's runs of the last 7 days, within 2 %; null below 30 runs"
    )
    expected_p95_duration_ms: float | None = Field(description="Their 95th percentile, likewise")
    expected_steps: float | None = Field(description="Mean number of steps of these runs")
    progress: float | None = Field(description="Elapsed against expected time, at most 1")
    is_likely_stuck: bool = Field(description="Whether it has lasted for over twice the 95th percentile")
    current_step: CurrentStep | None = Field(
        description="Null where the agent does not send its steps when they start, or is between two of them"
    )


class LivePage(BaseModel):
    """A page of the runs that go on now."""

    model_config = ConfigDict(extra="forbid")

    items: list[LiveExecution]
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last one")
