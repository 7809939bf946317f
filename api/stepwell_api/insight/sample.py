"""The data that detectors take: an agent's runs in a window, or a bounded sample of them, as plain values.

`reading` fills it from the database; the benchmark makes it itself. Nothing here knows a database or a clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from stepwell_storage.model import Role, Status


@dataclass(frozen=True, slots=True)
class Payload:
    """What is known of a step's input or output without keeping it."""

    digest: int
    """The same for equal JSON values, whatever the order of their keys; see `payloads.payload_of`."""
    words: frozenset[int] | None = None
    """Hashes of the distinct words of its values, keys left out; ``None`` where they were not read.

    Words are costly to read: those of some hundred runs are enough.
    """


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a run: narrow columns."""

    name: str
    role: Role
    operation: str
    step_type: str
    """`decision` marks steps that decide what runs next."""
    parent: int
    """Index of the parent in the run's steps; -1 for the run's root, and where the parent is not part of the run."""
    start_ms: float
    """Since the run's start."""
    end_ms: float | None
    """Since the run's start; ``None`` while it runs."""
    status: Status
    attempt: int = 1
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    """Of model calls that count; ``None`` on second reports of a call, on agents, and where unknown."""
    cost_usd: float | None = None
    error_type: str | None = None
    is_duplicate: bool = False
    """Whether it reports a model call again that another step reports (`execution_steps` calls it a `chain`)."""
    input: Payload | None = None
    """``None`` where no input was recorded."""
    output: Payload | None = None

    @property
    def duration_ms(self) -> float | None:
        """``None`` while it runs."""
        return None if self.end_ms is None else max(self.end_ms - self.start_ms, 0.0)

    @property
    def tokens(self) -> int | None:
        """Of both kinds; where one is unknown, what is known."""
        if self.prompt_tokens is None and self.completion_tokens is None:
            return None
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One execution: narrow columns, and its steps."""

    execution_id: str
    start: datetime
    """Aware, UTC."""
    status: Status
    duration_ms: float | None
    steps: Sequence[StepRecord] = ()
    """In the order of their index; empty where they were not read."""
    weight: float = 1.0
    """How many runs of the window this one stands for: runs of one status have the same weight.

    The probability of being sampled may depend on the run's status, never on anything else. Within a status runs are
    drawn evenly over time. Estimates use weights, tests of association count the sampled runs as they are.
    """
    path: str = ""
    version: str | None = None
    environment: str | None = None
    models: Sequence[str] = ()
    trigger_type: str | None = None
    runtime_mode: str | None = None
    framework: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    error_type: str | None = None
    error_fingerprint: str | None = None
    error_step_name: str | None = None
    """The step that caused the failure (the deepest one, as the fold finds it)."""
    inputs: Mapping[str, str] | None = None
    """Flat key → value as text, bounded (`payloads.flat_inputs`); ``None`` where no input was recorded."""

    @property
    def tokens(self) -> int | None:
        """Of both kinds; where one is unknown, what is known."""
        if self.prompt_tokens is None and self.completion_tokens is None:
            return None
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)


@dataclass(frozen=True, slots=True)
class HourFigures:
    """How many runs started in one hour of the window: exact, from the rollups."""

    start: datetime
    executions: int
    success: int = 0
    failed: int = 0
    timeout: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """An agent's runs in a window."""

    agent_id: str
    start: datetime
    stop: datetime
    """The window; `stop` does not belong to it."""
    executions: int
    """Exact number of runs in the window, of every status."""
    runs: Sequence[RunRecord]
    """All of them, or a sample, in any order."""
    hours: Sequence[HourFigures]
    """Hours with runs, in order."""
    environment: Sequence[str] = field(default=())
    version: Sequence[str] = field(default=())
    """The filters that the window was read with, for the links in the evidence."""

    @property
    def days(self) -> float:
        """The length of the window in days."""
        return max((self.stop - self.start).total_seconds() / 86_400, 1e-9)
