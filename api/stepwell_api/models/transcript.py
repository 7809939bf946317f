"""The answer that tells a run as a conversation."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stepwell_storage.model import Status


class TranscriptBlock(BaseModel):
    """A piece of what was said."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["message", "reasoning", "tool_call", "tool_result", "input", "output"]
    role: Literal["system", "user", "assistant", "tool"]
    name: str | None = Field(description="Of the tool")
    call_id: str | None
    text: str | None = Field(description="What was said, at most 20,000 characters; null where `value` holds it")
    value: Any = Field(description="What was said as JSON: a tool's arguments or result")
    is_cut: bool = Field(description="Whether there is more than is told; the step has all of it")


class TranscriptTurn(BaseModel):
    """What one step added to the conversation."""

    model_config = ConfigDict(extra="forbid")

    step_index: int
    span_id: str
    kind: Literal["model", "tool", "agent", "step"]
    step_name: str
    operation: str
    agent_name: str | None
    model: str | None
    status: Status
    attempt: int = Field(description="1 for the first call, 2 for the first repetition after a failure, and so on")
    depth: int
    start_time: datetime
    duration_ms: float | None = Field(description="Milliseconds; null while the step runs")
    tokens: int | None = Field(description="Input and output tokens, where the run counts this step's")
    error_type: str | None
    error_message: str | None
    blocks: list[TranscriptBlock] = Field(description="What is new: a model call's input without what was said before")


class Transcript(BaseModel):
    """A page of a run's conversation."""

    model_config = ConfigDict(extra="forbid")

    items: list[TranscriptTurn] = Field(description="May be fewer than `limit`: steps that say nothing are left out")
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last one")
    total: int = Field(description="Steps of the run")
