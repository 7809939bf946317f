"""The answer that tells all steps of a run by columns."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class TimelineColumns(BaseModel):
    """One list for each figure, all in order of the steps and of the same length; texts are places in `texts`."""

    model_config = ConfigDict(extra="forbid")

    step_index: list[int] = Field(description="Place in the run, from 0")
    step_name: list[int]
    step_type: list[int]
    operation: list[int]
    status: list[int]
    agent_name: list[int | None]
    model: list[int | None]
    error_type: list[int | None]
    depth: list[int] = Field(description="Steps above it in this run; a step's own steps follow it directly")
    attempt: list[int] = Field(
        description="1 for the first call, 2 for the first repetition after a failure, and so on"
    )
    critical_path: list[int] = Field(description="1 for steps on the chain that decided when the run ended, else 0")
    start_ms: list[float] = Field(description="Milliseconds after `start_time`")
    duration_ms: list[float | None] = Field(description="Milliseconds; null while the step runs")
    self_duration_ms: list[float | None] = Field(description="Milliseconds in which none of its own steps ran")
    tokens: list[int | None] = Field(description="Input and output tokens, where the run counts this step's")
    cost_usd: list[float | None] = Field(description="US dollars, where the run counts this step's")


class Timeline(BaseModel):
    """All steps of a run by columns."""

    model_config = ConfigDict(extra="forbid")

    execution_id: str
    start_time: datetime = Field(description="The run's start, which `start_ms` counts from")
    updated_at: datetime = Field(description="As of the run: the columns change with it")
    total: int = Field(description="Length of every column")
    texts: list[str] = Field(description="Names, types and the like, each once")
    columns: TimelineColumns
