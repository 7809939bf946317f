"""Answers about executions and their steps."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from stepwell_storage.model import Status, StepType


class TokensUsed(BaseModel):
    """Tokens of a run by class, each counted once; a class that no step tells is left out."""

    prompt: int | None = Field(None, description="Input tokens")
    completion: int | None = Field(None, description="Output tokens")
    cache_read: int | None = Field(None, description="Input tokens that came from a cache")
    cache_write: int | None = Field(None, description="Input tokens that were written to a cache")
    reasoning: int | None = Field(None, description="Output tokens spent on reasoning")


class ExecutionSummary(BaseModel):
    """One end-to-end agent run, without the heavy fields of `Execution`."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    execution_id: str = Field(
        description="Unique within the workspace: `<trace id>-<root span id>`, or the trace id "
        "alone where the top span is missing"
    )
    trace_id: str = Field(description="32 hex digits")
    root_span_id: str | None = Field(description="16 hex digits; null where the top span is missing")
    parent_execution_id: str | None
    agent_id: str = Field(description="Stable name of the agent or workflow")
    agent_name: str | None
    workspace_id: UUID
    user_id: str | None
    session_id: str | None
    trigger_type: str | None = Field(description="`manual`, `scheduled`, `webhook` or `api`")
    trigger_source: Any = Field(description="What the agent told of its trigger, as JSON")
    start_time: datetime
    end_time: datetime | None = Field(description="Null while the run goes on")
    duration_ms: float | None = Field(description="Milliseconds; null while the run goes on")
    last_activity_at: datetime = Field(description="Last sign of life: a start or an end of a step")
    status: Status
    error_type: str | None
    error_message: str | None
    error_step_name: str | None = Field(description="The step at which the run failed")
    error_fingerprint: str | None = Field(description="Equal for failures of the same kind")
    credits_consumed: float | None
    tokens_used: TokensUsed | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None = Field(description="US dollars; null unless the cost of all model calls is known")
    api_calls_count: int = Field(description="Remote calls: models, HTTP, databases and the like")
    memory_usage_mb: float | None = Field(description="Megabytes")
    steps_total: int
    steps_completed: int
    path: str = Field(description="The names of the steps taken, in order")
    environment: str | None
    runtime_mode: str | None
    version: str | None
    service_name: str | None
    framework: str | None
    models: list[str] = Field(description="The models called")
    created_at: datetime
    updated_at: datetime


class Node(BaseModel):
    """A step in the graph of its run."""

    model_config = ConfigDict(extra="forbid")

    span_id: str
    step_index: int
    step_name: str
    step_type: StepType
    operation: str
    status: Status
    start_time: datetime
    end_time: datetime | None
    duration_ms: float | None = Field(description="Milliseconds; null while the step runs")
    self_duration_ms: float | None = Field(description="Milliseconds in which none of its own steps ran")
    critical_path: bool = Field(description="Whether the step lies on the chain that decided when the run ended")
    attempt: int = Field(description="1 for the first call, 2 for the first repetition after a failure, and so on")
    parent: str | None = Field(description="Span id of the step above it in this run; null for the top step")
    depth: int = Field(description="Steps above it in this run")
    agent_name: str | None
    model: str | None
    error_type: str | None


class Edge(BaseModel):
    """A relation of two steps, by their span ids."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: str = Field(alias="from")
    to: str
    kind: Literal["child", "sequence"] = Field(
        description="`child`: `from` holds `to`; `sequence`: both have the same parent, and of the steps that ended "
        "before `to` started, `from` ended last"
    )


class ExecutionGraph(BaseModel):
    """The steps of a run as a tree (nodes in depth-first order, each naming its parent) and the order among them."""

    model_config = ConfigDict(extra="forbid")

    nodes: list[Node]
    edges: list[Edge]
    path: str


class Sibling(BaseModel):
    """Another run of the same trace."""

    model_config = ConfigDict(extra="forbid")

    execution_id: str
    parent_execution_id: str | None
    agent_id: str
    agent_name: str | None
    status: Status
    start_time: datetime
    duration_ms: float | None = Field(description="Milliseconds; null while the run goes on")
    href: str = Field(description="Path of the run in this API")


class RecoveryRun(BaseModel):
    """A run that recovers another."""

    model_config = ConfigDict(extra="forbid")

    execution_id: str
    agent_id: str
    status: Status
    start_time: datetime
    duration_ms: float | None = Field(description="Milliseconds; null while the run goes on")
    recovery_id: str | None = Field(description="The recovery that asked for it; null where the agent did it by itself")
    href: str = Field(description="Path of the run in this API")


class Execution(ExecutionSummary):
    """One run with its input, output, graph and checkpoints."""

    input_data: Any = Field(description="The run's input, as JSON")
    output_data: Any = Field(description="The run's output, as JSON")
    payload_expired: bool = Field(
        description="Whether input, output and the states of checkpoints are gone since their retention time is over"
    )
    checkpoints: list[Any] = Field(
        description="States that the agent saved to resume from, in order, each with `id`, `time`, `state`, "
        "`step_name`, `span_id` and `resume` (what its framework needs to go on from there, or null)"
    )
    execution_graph: ExecutionGraph | None = Field(description="The steps as a graph; null where `graph` is false")
    siblings: list[Sibling] = Field(description="The other runs of the trace, by start")
    recovers: str | None = Field(description="The run that this one recovers, by its execution id")
    recovery_runs: list[RecoveryRun] = Field(description="The runs that recover this one, by start")


class ExecutionPage(BaseModel):
    """A page of runs."""

    model_config = ConfigDict(extra="forbid")

    items: list[ExecutionSummary]
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last one")
    total: int | None = Field(description="Runs that match, exact up to 10,000; null beyond")
    total_at_least: int | None = Field(description="Where `total` is null, how many there are at least")
    search_complete: bool = Field(
        description="False where `q` was not looked for in the oldest runs of the window, whose words are not read yet"
    )


class ApiCall(BaseModel):
    """A remote call."""

    operation: str
    model: str | None
    provider: str | None


class LogLine(BaseModel):
    """A log record that was written in a step and is no message of a model call."""

    model_config = ConfigDict(extra="forbid")

    time: datetime | None = Field(description="When it happened, else when it was observed; null where neither is told")
    severity: str | None = Field(
        description="The sender's own word, else `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` "
        "or `FATAL`, with a step from 2 to 4 after it"
    )
    event_name: str | None
    body: Any
    attributes: Any
    flags: list[str] = Field(description="What was mended on the way in, such as `attribute_cut`")


class ExecutionStep(BaseModel):
    """A step of a run with what it carried."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    execution_id: str
    step_index: int = Field(description="Place in the run, from 0")
    trace_id: str
    span_id: str
    parent_span_id: str | None = Field(description="The parent that the span names, be it in this run or not")
    parent: str | None = Field(description="Span id of the step above it in this run; null for the top step")
    depth: int = Field(description="Steps above it in this run")
    attempt: int = Field(description="1 for the first call, 2 for the first repetition after a failure, and so on")
    duplicate_of: int | None = Field(description="`step_index` of the step that counts, where both report one call")
    start_time: datetime
    end_time: datetime | None
    duration_ms: float | None = Field(description="Milliseconds; null while the step runs")
    self_duration_ms: float | None = Field(description="Milliseconds in which none of its own steps ran")
    critical_path: bool = Field(description="Whether the step lies on the chain that decided when the run ended")
    step_name: str
    step_type: StepType
    operation: str
    status: Status
    name: str = Field(description="The span's own name")
    error_type: str | None
    error_message: str | None
    agent_name: str | None
    model: str | None
    provider: str | None
    api_calls: list[ApiCall] = Field(description="The remote call that the step is, if it is one")
    tokens_used: int | None = Field(description="Input and output tokens together")
    prompt_tokens: int | None
    completion_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None = Field(description="US dollars")
    credits: float | None
    memory_mb: float | None = Field(description="Megabytes")
    counts_tokens: bool = Field(description="Whether the run's tokens and cost include this step's")
    flags: list[str] = Field(description="What was mended on the way in, such as `end_before_start`")
    input: Any = Field(description="From the span, else from messages that came as log records")
    output: Any = Field(description="From the span, else from messages that came as log records")
    error: Any
    attributes: Any = Field(description="The span's attributes, as sent")
    resource: Any = Field(description="Attributes of the process that sent the span")
    events: Any = Field(description="The span's events")
    links: Any = Field(description="The span's links")
    created_at: datetime | None = Field(description="When Stepwell stored it")
    logs: list[LogLine] = Field(description="The first 100 log records of the step, by time")
    more_logs: bool = Field(description="Whether there are more than these")


class StepPage(BaseModel):
    """A page of a run's steps."""

    model_config = ConfigDict(extra="forbid")

    items: list[ExecutionStep]
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last one")
    total: int = Field(description="Steps of the run")
