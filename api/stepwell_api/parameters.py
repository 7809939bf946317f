"""What the endpoints take in the query, as one model each: names, meanings, bounds.

The models are the border: everything behind it is text without NUL, finite numbers, aware times and known words.
A parameter that an endpoint does not know is refused, because a filter with a typing error would otherwise answer
with everything. `REPEATABLE` must name the list-valued fields; a test compares.
"""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from stepwell_api.export.formats import ExportFormat
from stepwell_api.insight.finding import State
from stepwell_api.problems import invalid_parameter
from stepwell_api.times import Time
from stepwell_storage.model import Status

MAX_LIMIT = 1000
DEFAULT_LIMIT = 50
MAX_SEARCH_CHARACTERS = 1000


class TriggerType(StrEnum):
    """What set a run off."""

    MANUAL = "manual"
    SCHEDULED = "scheduled"
    WEBHOOK = "webhook"
    API = "api"


class Ending(StrEnum):
    """How a run ended that went wrong."""

    FAILED = "failed"
    TIMEOUT = "timeout"


class ExecutionSort(StrEnum):
    """Orders of executions; a minus means descending. Unknown values come last either way."""

    START_TIME = "start_time"
    START_TIME_DESCENDING = "-start_time"
    DURATION = "duration_ms"
    DURATION_DESCENDING = "-duration_ms"
    COST = "cost_usd"
    COST_DESCENDING = "-cost_usd"
    TOKENS = "tokens"
    TOKENS_DESCENDING = "-tokens"
    STEPS = "steps_total"
    STEPS_DESCENDING = "-steps_total"


class SignalName(StrEnum):
    """OTLP's signals."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


class AgentSort(StrEnum):
    """Orders of agents; a minus means descending. Unknown values come last either way."""

    AGENT = "agent_id"
    AGENT_DESCENDING = "-agent_id"
    EXECUTIONS = "executions"
    EXECUTIONS_DESCENDING = "-executions"
    SUCCESS_RATE = "success_rate"
    SUCCESS_RATE_DESCENDING = "-success_rate"
    P50 = "p50_duration_ms"
    P50_DESCENDING = "-p50_duration_ms"
    P95 = "p95_duration_ms"
    P95_DESCENDING = "-p95_duration_ms"
    COST = "cost_usd"
    COST_DESCENDING = "-cost_usd"
    TOKENS = "tokens"
    TOKENS_DESCENDING = "-tokens"
    LAST_SEEN = "last_seen"
    LAST_SEEN_DESCENDING = "-last_seen"
    RUNNING = "running"
    RUNNING_DESCENDING = "-running"


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul_character", "Should not hold a NUL character")
    return text


def _one_of(words: type[StrEnum]) -> BeforeValidator:
    """A word of a closed set; the error lists the set, which pydantic tells in prose only."""
    allowed = [str(word) for word in words]

    def check(value: object) -> object:
        if value not in allowed:
            choices = ", ".join(allowed)
            raise PydanticCustomError(
                "closed_set", "Should be one of {choices}", {"choices": choices, "allowed": allowed}
            )
        return value

    return BeforeValidator(check)


def _zone(name: object) -> object:
    if name not in available_timezones():
        raise PydanticCustomError("time_zone", "Should be the IANA name of a time zone, such as Europe/Berlin")
    return name


Text = Annotated[str, AfterValidator(_without_nul)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
StatusWord = Annotated[Status, _one_of(Status)]
EndingWord = Annotated[Ending, _one_of(Ending)]
TriggerWord = Annotated[TriggerType, _one_of(TriggerType)]


class Parameters(BaseModel):
    """No parameters; the base of all others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        unknown = [name for name in given if name not in known]
        if unknown:
            raise PydanticCustomError("unknown_parameter", "unknown", {"unknown": unknown, "known": known})
        return given


class WindowParameters(Parameters):
    """A time window over the starts of runs."""

    from_: Annotated[
        Time | None,
        Field(
            alias="from",
            description="Only runs that started at or after this RFC 3339 time; default 7 days before `to`",
        ),
    ] = None
    to: Annotated[
        Time | None, Field(description="Only runs that started before this RFC 3339 time (exclusive); default now")
    ] = None


class PageParameters(Parameters):
    """One page of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Items on a page")] = DEFAULT_LIMIT
    cursor: Annotated[
        str | None,
        Field(description="`next_cursor` of the page before; all other parameters but `limit` must stay as they were"),
    ] = None


class ExecutionFilters(WindowParameters):
    """Which executions. Repeating a filter widens it, several filters narrow each other; a comma is part of a value."""

    trace_id: Annotated[list[Text], Field(description="Trace id, 32 hex digits; repeatable")] = []
    agent_id: Annotated[list[Text], Field(description="Agent; repeatable")] = []
    status: Annotated[list[StatusWord], Field(description="Status; repeatable")] = []
    environment: Annotated[list[Text], Field(description="Environment; repeatable")] = []
    version: Annotated[list[Text], Field(description="Version of the agent; repeatable")] = []
    trigger_type: Annotated[list[TriggerWord], Field(description="What set the run off; repeatable")] = []
    error_type: Annotated[list[Text], Field(description="Error type; repeatable")] = []
    user_id: Annotated[list[Text], Field(description="User; repeatable")] = []
    session_id: Annotated[list[Text], Field(description="Session or conversation; repeatable")] = []
    model: Annotated[list[Text], Field(description="Runs that called any of these models; repeatable")] = []
    framework: Annotated[list[Text], Field(description="Agent framework; repeatable")] = []
    min_duration_ms: Annotated[
        Amount | None, Field(description="Shortest duration, in milliseconds; leaves out runs of unknown duration")
    ] = None
    max_duration_ms: Annotated[
        Amount | None, Field(description="Longest duration, in milliseconds; leaves out runs of unknown duration")
    ] = None
    min_cost_usd: Annotated[
        Amount | None, Field(description="Lowest cost, in US dollars; leaves out runs of unknown cost")
    ] = None
    path: Annotated[Text | None, Field(description="Exactly this path, as executions carry it")] = None
    q: Annotated[
        Text | None,
        Field(
            min_length=1,
            max_length=MAX_SEARCH_CHARACTERS,
            description="Words in error messages, step names, inputs or outputs of the run or of its steps, in any "
            "order; the last may be the beginning of one, and upper and lower case are the same",
        ),
    ] = None


class ExecutionListParameters(ExecutionFilters, PageParameters):
    """Filters, order and page of ``GET /executions``."""

    sort: Annotated[
        ExecutionSort,
        _one_of(ExecutionSort),
        Field(description="Order; a minus means descending. Runs whose value is unknown come last either way"),
    ] = ExecutionSort.START_TIME_DESCENDING


class ExportParameters(ExecutionFilters):
    """Which executions to export, and as what."""

    format: Annotated[
        ExportFormat, _one_of(ExportFormat), Field(description="`parquet`, `csv` or `jsonl` (JSON Lines)")
    ] = ExportFormat.JSONL


class ExecutionParameters(Parameters):
    """What is told of a single run."""

    graph: Annotated[
        bool, Field(description="Whether `execution_graph` is told; false for long runs whose row alone is wanted")
    ] = True


class StepListParameters(PageParameters):
    """Page of the steps of a run."""

    first: Annotated[
        int, Field(ge=0, le=2**31, description="Index of the first step of the first page; a cursor overrules it")
    ] = 0


class AgentListParameters(WindowParameters, PageParameters):
    """Search, order and page of ``GET /agents``."""

    environment: Annotated[list[Text], Field(description="Count runs of this environment only; repeatable")] = []
    version: Annotated[list[Text], Field(description="Count runs of this version only; repeatable")] = []
    q: Annotated[
        Text | None,
        Field(
            min_length=1,
            max_length=MAX_SEARCH_CHARACTERS,
            description="Text in the agent's id or name; upper and lower case are the same",
        ),
    ] = None
    sort: Annotated[
        AgentSort,
        _one_of(AgentSort),
        Field(description="Order; a minus means descending. Agents whose value is unknown come last either way"),
    ] = AgentSort.EXECUTIONS_DESCENDING


class AnalyticsParameters(WindowParameters):
    """Which runs the analytics are about."""

    environment: Annotated[list[Text], Field(description="Environment; repeatable")] = []
    version: Annotated[list[Text], Field(description="Version of the agent; repeatable")] = []


class FacetParameters(WindowParameters):
    """Whose runs, and how many values of each facet."""

    agent_id: Annotated[Text | None, Field(description="One agent; all of them where it is not given")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Values of each facet")] = DEFAULT_LIMIT


class LiveParameters(PageParameters):
    """Which of the runs that go on, and which page of them."""

    agent_id: Annotated[list[Text], Field(description="Agent; repeatable")] = []


class LiveEventsParameters(BaseModel):
    """What a stream of events is about."""

    model_config = ConfigDict(extra="forbid")

    agent_id: Annotated[list[Text], Field(description="Runs of this agent only; repeatable")] = []
    status: Annotated[list[StatusWord], Field(description="Events of runs that have this status then; repeatable")] = []


class PatternsParameters(AnalyticsParameters):
    """Which runs the patterns are about, and by whose clocks."""

    tz: Annotated[Zone, Field(description="Time zone of the hours of the day, by its IANA name")] = ZoneInfo("UTC")
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Items of each list")] = DEFAULT_LIMIT


class FailuresParameters(AnalyticsParameters, PageParameters):
    """Which failures, and which page of their clusters."""

    status: Annotated[
        list[EndingWord], Field(description="How the runs ended: `failed`, `timeout`; default `failed`; repeatable")
    ] = []


class ComparisonParameters(AnalyticsParameters):
    """What to compare with what."""

    a: Annotated[
        Text,
        Field(
            min_length=1,
            description="One side: `version:1.2` (or `1.2` alone), `environment:staging`, `model:gpt-4o`, "
            "`window:FROM/TO` with RFC 3339 times, or `execution:ID`",
        ),
    ]
    b: Annotated[Text, Field(min_length=1, description="The other side, likewise; what differs is told as b less a")]
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Steps and paths, each")] = DEFAULT_LIMIT


class SuggestionsParameters(AnalyticsParameters):
    """Which runs the suggestions are about, and which of these to tell."""

    state: Annotated[
        list[State],
        Field(description="Where the suggestion stands; repeatable. Without it all are told but those dismissed"),
    ] = []


class KeyListParameters(Parameters):
    """Whose keys."""

    workspace_id: Annotated[
        UUID | None, Field(description="The workspace; one's own without it, another with the scope `operate` only")
    ] = None


class AlertState(StrEnum):
    """Whether an alert still holds."""

    FIRING = "firing"
    RESOLVED = "resolved"


class AlertListParameters(PageParameters):
    """Which alerts, and which page of them."""

    state: Annotated[list[AlertState], Field(description="`firing` or `resolved`; both without it; repeatable")] = []
    agent_id: Annotated[list[Text], Field(description="Of this agent; repeatable")] = []
    rule_id: Annotated[Text | None, Field(description="Of this rule")] = None


class AlertPreviewParameters(Parameters):
    """How far back a preview goes."""

    days: Annotated[
        int, Field(ge=1, le=30, description="Days back; windows of up to two hours go back 3, regressions 14 at most")
    ] = 7


class IngestParameters(WindowParameters):
    """Which part of the ledger."""

    from_: Annotated[
        Time | None,
        Field(alias="from", description="From the hour of this RFC 3339 time on; default 7 days before `to`"),
    ] = None
    to: Annotated[
        Time | None,
        Field(description="Up to the end of the hour in which this RFC 3339 time lies, exclusive; default now"),
    ] = None
    signal: Annotated[
        SignalName, _one_of(SignalName), Field(description="What to count: traces (spans), logs (records), or metrics")
    ] = SignalName.TRACES


REPEATABLE = frozenset(
    {
        "state",
        "trace_id",
        "agent_id",
        "status",
        "environment",
        "version",
        "trigger_type",
        "error_type",
        "user_id",
        "session_id",
        "model",
        "framework",
    }
)


async def refuse_repeats(request: Request) -> None:
    """A dependency of every route: taking one of two values in silence would answer another question.

    Raises:
        ProblemError: a parameter that is not repeatable is there twice.
    """
    times = Counter(name for name, _ in request.query_params.multi_items())
    for name, count in times.items():
        if count > 1 and name not in REPEATABLE:
            raise invalid_parameter(name, "Should be given once")
