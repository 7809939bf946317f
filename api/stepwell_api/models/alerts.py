"""What ``/alert-rules`` and ``/alerts`` answer and take."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stepwell_api.alerts.rules import Comparator, Figure, RuleKind, Severity
from stepwell_api.parameters import Text
from stepwell_api.times import Time

SECONDS_A_DAY = 86_400


class FigureCondition(BaseModel):
    """When a rule about a figure holds."""

    model_config = ConfigDict(extra="forbid")

    figure: Figure
    comparison: Comparator = Field(
        description="`above` or `below` the threshold; `rises_by` or `falls_by` it as a fraction of the window before"
    )
    threshold: float = Field(allow_inf_nan=False, description="In the figure's unit; rates are fractions from 0 to 1")
    window_s: int = Field(
        default=3600,
        ge=300,
        le=30 * SECONDS_A_DAY,
        description="Of which runs, by their start: a multiple of 300 up to two hours; above, and for steps, of 3600",
    )
    for_s: int = Field(default=0, ge=0, le=SECONDS_A_DAY, description="How long it has to hold before the rule fires")
    min_samples: int = Field(default=0, ge=0, le=1_000_000, description="Runs or calls that the figure has to be of")
    step_name: Text | None = Field(default=None, description="For figures of a step")


class RegressionCondition(BaseModel):
    """Which regressions, as suggestions tell them, over the last week."""

    model_config = ConfigDict(extra="forbid")

    of: list[Literal["duration", "failures"]] = Field(default=["duration", "failures"], min_length=1, max_length=2)


class NewFailureCondition(BaseModel):
    """From when on a kind of failure is new, and enough."""

    model_config = ConfigDict(extra="forbid")

    min_count: int = Field(default=3, ge=1, le=1_000_000, description="Failed runs within a day since it began")
    quiet_days: int = Field(default=14, ge=1, le=60, description="Days without any such failure before")


class RuleBody(BaseModel):
    """A rule: what it is about, and who is told."""

    model_config = ConfigDict(extra="forbid")

    name: Text = Field(min_length=1, max_length=200)
    kind: RuleKind = RuleKind.FIGURE
    agent_id: Text | None = Field(default=None, description="Whose runs; without it, all agents'")
    environment: Text | None = Field(default=None, description="Of this environment alone")
    figure: FigureCondition | None = Field(default=None, description="For the kind `figure`")
    regression: RegressionCondition | None = Field(default=None, description="For the kind `regression`")
    new_failure: NewFailureCondition | None = Field(default=None, description="For the kind `new_failure`")
    severity: Severity = Severity.WARNING
    cooldown_s: int = Field(
        default=3600, ge=0, le=7 * SECONDS_A_DAY, description="What fires again within it is the same alert"
    )
    webhook_ids: list[Text] = Field(default=[], max_length=10, description="Webhooks for alerts that are told")
    is_enabled: bool = True
    muted_until: Time | None = Field(default=None, description="Until then alerts are listed and nobody is told")


class ChangedRuleBody(BaseModel):
    """What to change about a rule; what is left out stays. An empty text takes agent or environment away."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Text | None, Field(min_length=1, max_length=200)] = None
    agent_id: Text | None = None
    environment: Text | None = None
    figure: FigureCondition | None = None
    regression: RegressionCondition | None = None
    new_failure: NewFailureCondition | None = None
    severity: Severity | None = None
    cooldown_s: Annotated[int | None, Field(ge=0, le=7 * SECONDS_A_DAY)] = None
    webhook_ids: Annotated[list[Text] | None, Field(max_length=10)] = None
    is_enabled: bool | None = None
    muted_until: Time | None = Field(default=None, description="A time that has passed ends it")


class AlertRule(BaseModel):
    """A rule as it is stored."""

    model_config = ConfigDict(extra="forbid")

    rule_id: str
    name: str
    kind: RuleKind
    agent_id: str | None
    environment: str | None
    figure: FigureCondition | None
    regression: RegressionCondition | None
    new_failure: NewFailureCondition | None
    severity: Severity
    cooldown_s: int
    webhook_ids: list[str]
    is_enabled: bool
    muted_until: datetime | None
    created_at: datetime
    changed_at: datetime = Field(description="Since when it looks at what it looks at")
    checked_at: datetime | None = Field(description="When a worker looked last")
    failure: str | None = Field(description="Why that failed")


class AlertRuleList(BaseModel):
    """The workspace's rules, by name."""

    model_config = ConfigDict(extra="forbid")

    items: list[AlertRule]
    next_cursor: None = Field(description="Always null: there are never more than one answer holds")


class Moment(BaseModel):
    """A stretch of time in which a rule would have fired."""

    model_config = ConfigDict(extra="forbid")

    agent_id: str | None
    subject: str
    holds_since: datetime = Field(description="When its condition began to hold")
    fired_at: datetime
    ended_at: datetime | None = Field(description="Null where it still fires")
    title: str
    detail: str
    evidence: dict[str, Any]


class Preview(BaseModel):
    """When a rule would have fired."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: datetime = Field(alias="from")
    to: datetime
    items: list[Moment] = Field(description="By time; of a figure at its worst, or as it is now")
    times: list[datetime] | None = Field(description="Of a figure: the moments at which it was looked at")
    values: list[float | None] | None = Field(description="Of a figure: what it was at each; null where unknown")
    samples: list[int] | None = Field(description="Of a figure: of how many runs or calls")
    holds: list[bool] | None = Field(description="Of a figure: whether the condition held")
    fires: list[bool] | None = Field(description="Of a figure: whether the rule fired")


class Alert(BaseModel):
    """Something that a rule saw."""

    model_config = ConfigDict(extra="forbid")

    alert_id: str
    rule_id: str
    rule_name: str | None = Field(description="Null where the rule is deleted")
    subject: str = Field(description="Tells the alerts of one rule apart: empty for a figure")
    agent_id: str | None
    state: Literal["firing", "resolved"]
    severity: Severity
    title: str
    detail: str
    evidence: dict[str, Any] = Field(
        description="The figures behind it; `href` is the call that shows them, `dashboard` the page"
    )
    holds_since: datetime
    held_until: datetime
    fired_at: datetime
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    note: str | None
    muted_until: datetime | None
    notified_at: datetime | None = Field(description="When webhooks were last to be told")
    times_fired: int = Field(description="Above 1 where it fired again within the rule's cool-down")


class AlertPage(BaseModel):
    """A page of alerts, the newest first."""

    model_config = ConfigDict(extra="forbid")

    items: list[Alert]
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last one")


class AlertEvent(BaseModel):
    """Something that happened to an alert."""

    model_config = ConfigDict(extra="forbid")

    at: datetime
    event: str = Field(
        description="`fired`, `fired_again`, `resolved`, `told`, `not_told`, `muted`, `acknowledged`, `changed`"
    )
    detail: str | None


class AlertWithEvents(Alert):
    """An alert with its history."""

    events: list[AlertEvent] = Field(description="In order")


class ChangedAlertBody(BaseModel):
    """What to do about an alert; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    is_acknowledged: bool | None = None
    muted_until: Time | None = Field(default=None, description="A time that has passed ends it")
    note: Annotated[Text | None, Field(max_length=2_000)] = None
