"""What ``/agents/{agent_id}/suggestions`` answers and takes."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stepwell_api.insight.finding import Kind, State
from stepwell_api.parameters import Text

MAX_NOTE_CHARACTERS = 2_000


class Impact(BaseModel):
    """What the cause costs, and mending it would save."""

    model_config = ConfigDict(extra="forbid")

    executions_affected: int = Field(description="Runs of the window that it touches")
    duration_ms_per_execution: float = Field(description="Milliseconds that each of these would save")
    cost_usd_per_day: float = Field(description="US dollars that would be saved")
    failures_per_day: float = Field(description="Failed runs that would be avoided")


class Stretch(BaseModel):
    """The agent's figures over some time."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: datetime = Field(alias="from")
    to: datetime
    executions: int
    failure_rate: float | None = Field(description="Failed and timed out runs of those that ended, cancelled left out")
    median_duration_ms: float | None
    p95_duration_ms: float | None
    mean_cost_usd: float | None
    mean_prompt_tokens: float | None


class Effect(BaseModel):
    """What came of a suggestion since it was done."""

    model_config = ConfigDict(extra="forbid")

    before: Stretch = Field(description="As long a time before, from one day to thirty")
    after: Stretch
    failure_rate_fell_p_value: float = Field(description="Fisher's exact test that fewer runs fail since")


class Suggestion(BaseModel):
    """Something to change, the evidence for it, and where it stands."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(description="The same for the same agent, kind and target")
    kind: Kind
    target: dict[str, Any] = Field(description="What it is about; its keys depend on the kind")
    title: str = Field(description="In one line")
    detail: str = Field(description="What was found, and what to do")
    severity: Literal["info", "warning", "critical"]
    confidence: float = Field(description="1 less the p-value, corrected for all hypotheses that were tested")
    impact: Impact
    evidence: dict[str, Any] = Field(
        description="`n`, the figures of the kind, `window`, `test`, `p_value`, `p_adjusted`, `hypotheses`, "
        "and `check`: the call that shows the figures"
    )
    example_execution_ids: list[str] = Field(description="Runs to look at")
    state: State
    note: str | None = Field(description="What was noted with the decision")
    changed_at: datetime | None = Field(description="When the state was set; null where nobody has")
    is_current: bool = Field(description="Whether the runs of the window show it; if not, it is told as it was")
    effect: Effect | None = Field(description="What came of it, once it is `done`")


class SuggestionList(BaseModel):
    """The suggestions for an agent and a window."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    items: list[Suggestion] = Field(description="The most severe first")
    next_cursor: None = Field(description="Always null: there are never more than one answer holds")
    from_: datetime = Field(alias="from", description="Start of the window, inclusive")
    to: datetime = Field(description="End of the window, exclusive")


class DecisionBody(BaseModel):
    """What was decided about a suggestion."""

    model_config = ConfigDict(extra="forbid")

    state: State
    note: Text | None = Field(default=None, max_length=MAX_NOTE_CHARACTERS, description="Kept with the decision")
