"""The shapes that flow through Stepwell: steps and log records (facts), and the executions folded from them.

The receiver maps spans to `Step` and log records to `LogRecord`, `facts` writes them, `fold` turns a trace's steps into
`Execution`s, `executions` writes those. Vocabularies are the contract's; times are integer nanoseconds since 1970 UTC,
cut to whole microseconds, which is what PostgreSQL keeps.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """How a step or an execution stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


class StepType(StrEnum):
    """The specification's kinds of steps."""

    API_CALL = "api_call"
    ACTION = "action"
    DECISION = "decision"
    LOOP = "loop"


class Role(StrEnum):
    """What a span is to the fold; coarser than its operation, which keeps the instrumentation's own word."""

    WORKFLOW = "workflow"
    AGENT = "agent"
    CHAIN = "chain"
    MODEL = "model"
    TOOL = "tool"
    EMBEDDING = "embedding"
    RETRIEVAL = "retrieval"
    GUARDRAIL = "guardrail"
    HANDOFF = "handoff"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state that an agent saved to resume from (span event ``stepwell.checkpoint``, or a framework's own)."""

    id: str
    time_ns: int
    state_json: str | None
    resume_json: str | None = None
    """What its framework needs to go on from there, an object; ``None`` where the id is all there is."""
    task: str | None = None
    """Which of several tasks tells of it, where it is saved once all of them have ended; ``None`` for one alone."""
    is_saved: bool = True
    """Whether the task got that far."""


class Step(NamedTuple):
    """One span, mapped: a row of ``analytics.step_facts`` (or ``live_steps`` while `is_live`).

    Text is valid UTF-8 without NUL. ``*_json`` fields hold valid JSON as text. Tokens, cost, credits and memory are
    ``None`` where the span does not tell them, never 0 instead. The fold reads everything down to `is_live`, and
    `seen_ns`; the fields between are payload, which it never sees.

    A tuple, because making one for each span is a large part of ingest: a frozen dataclass of this size takes eight
    times as long. `mapping` fills it by position; if you change the order, change it there as well.
    """

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None
    parent_is_remote: bool | None
    """Whether the parent lives in another process; ``None`` where the exporter did not say."""
    start_ns: int
    end_ns: int | None
    """``None`` while the span runs."""
    duration_ms: float | None
    """From the exact nanoseconds; ``None`` while the span runs."""
    name: str
    step_name: str
    step_type: StepType
    role: Role
    operation: str
    status: Status
    error_type: str | None = None
    error_message: str | None = None
    agent_name: str | None = None
    """The agent's or workflow's own name as an attribute states it."""
    span_agent_name: str | None = None
    """The name that only the span's name tells, without method or kind affixes."""
    agent_ref: str | None = None
    """``gen_ai.agent.id``: a last resort for a name."""
    agent_version: str | None = None
    model: str | None = None
    provider: str | None = None
    response_id: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    credits: float | None = None
    memory_mb: float | None = None
    session_id: str | None = None
    conversation_id: str | None = None
    """A thread or conversation, which is the session where no span of the run states one."""
    user_id: str | None = None
    trigger_type: str | None = None
    trigger_source_json: str | None = None
    runtime_mode: str | None = None
    service_name: str | None = None
    service_version: str | None = None
    environment: str | None = None
    framework: str | None = None
    scope_name: str | None = None
    process_key: bytes | None = None
    """Digest of what tells the process; ``None`` where its resource does not."""
    has_input: bool = False
    has_output: bool = False
    flags: tuple[str, ...] = ()
    """What was mended on the way in, such as ``end_before_start``."""
    checkpoints: tuple[Checkpoint, ...] = ()
    is_live: bool = False

    input_json: str | None = None
    output_json: str | None = None
    error_json: str | None = None
    attributes_json: str | None = None
    resource_json: str | None = None
    events_json: str | None = None
    links_json: str | None = None
    key_id: str | None = None
    """The API key that the span came by; ``None`` without authentication."""

    seen_ns: int | None = None
    """The last time at which a live span was sent again, as its attribute says; read back for the fold alone."""


class StepRow(NamedTuple):
    """A step as the row that is written of it (`step_rows`), with what is asked of it on the way; see `Step`."""

    trace_id: bytes
    span_id: bytes
    start_ns: int
    end_ns: int | None
    is_live: bool
    may_end_run: bool
    """Whether a run may be over with it: it has ended, and is an agent's or workflow's, or has no parent here."""
    encoded: bytes
    """The row's fields after the workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """A log record of a span, mapped: a row of ``analytics.step_logs``; `Step` says what its text and JSON are.

    A record that carries messages of a model call gives its step input or output; any other is a line of its log.
    """

    trace_id: bytes
    span_id: bytes
    time_ns: int
    """When it happened, else when it was observed; 0 where the sender tells neither."""
    record_key: bytes
    """Digest of all that was sent, so that a record that comes again is known."""
    event_name: str | None = None
    severity_number: int | None = None
    severity_text: str | None = None
    input_json: str | None = None
    """A list of messages that went into the call."""
    output_json: str | None = None
    """A list of messages that came out of it."""
    body_json: str | None = None
    """``None`` where the body holds the messages above."""
    attributes_json: str | None = None
    flags: tuple[str, ...] = ()
    """What was mended on the way in, such as ``attribute_cut``."""
    key_id: str | None = None
    """The API key that the record came by; ``None`` without authentication."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySample:
    """How much memory a process took at a moment: a row of ``analytics.memory_samples``."""

    process_key: bytes
    """As in `Step`."""
    time_ns: int
    memory_mb: float
    """Megabytes of 10⁶ bytes."""
    is_resident: bool
    """The process' resident memory, or else its runtime's heap alone."""


STEPS = (Step, StepRow)
Fact = Step | StepRow | LogRecord | MemorySample
"""What the receiver stores."""


class Placement(NamedTuple):
    """Where the fold puts one step in its execution: index, depth, attempt, and what the tree says of it.

    A tuple, like `Step`, because there is one for each step of each fold.
    """

    step: Step
    index: int  # type: ignore[assignment]  # of the step in its run; nobody looks for values in a placement
    parent_index: int | None
    depth: int
    attempt: int
    """1 for a step's first call, 2 for its first repetition after a failure, and so on."""
    status: Status
    operation: str
    """The step's own, or ``chain`` where the same call is reported by another step as well."""
    duplicate_of: int | None
    """Index of the step that counts where this one reports the same model call again."""
    counts_tokens: bool
    """Whether the execution's tokens and cost include this step's."""
    self_duration_ms: float | None
    on_critical_path: bool
    critical_ns: int
    """How much of the critical path's time was this step's own, not a child's; 0 beside the path."""


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A checkpoint of an execution, and the step in which it was saved."""

    checkpoint: Checkpoint
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One end-to-end agent run, a pure function of its trace's steps (contract, chapter 4)."""

    execution_id: str
    trace_id: bytes
    root_span_id: bytes | None
    """``None`` for fragments whose top span is missing."""
    agent_id: str
    agent_name: str | None
    parent_execution_id: str | None
    status: Status
    start_ns: int
    end_ns: int | None
    duration_ms: float | None
    last_activity_ns: int
    error_type: str | None
    error_message: str | None
    error_step_name: str | None
    error_fingerprint: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    credits: float | None
    memory_mb: float | None
    api_calls: int
    steps_total: int
    steps_completed: int
    path: str
    models: tuple[str, ...]
    session_id: str | None
    user_id: str | None
    trigger_type: str | None
    trigger_source_json: str | None
    environment: str | None
    runtime_mode: str | None
    version: str | None
    service_name: str | None
    framework: str | None
    input_span_id: bytes | None
    """Whose input is the run's input; the writer copies the payload."""
    output_span_id: bytes | None
    checkpoints: tuple[SavedCheckpoint, ...]
    process_key: bytes | None
    """The process whose samples tell the run's memory; ``None`` where that is unknown or its steps tell the memory."""
    placements: tuple[Placement, ...] = field(repr=False)
