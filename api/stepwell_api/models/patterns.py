"""Answers about how an agent's runs go."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from stepwell_api.models.suggestions import Suggestion


class DayHour(BaseModel):
    """The runs that started in one hour of the day, on all days of the window."""

    model_config = ConfigDict(extra="forbid")

    hour: int = Field(ge=0, le=23, description="Hour of the day by the clocks of `tz`")
    execution_count: int
    avg_duration: float | None = Field(description="Milliseconds, over runs of known duration")
    success_rate: float = Field(description="Fraction from 0 to 1 of all runs, those still running included")


class InputPattern(BaseModel):
    """Runs whose input has a key, or a key with a value."""

    model_config = ConfigDict(extra="forbid")

    input_key: str = Field(description="Key of the input; a key within another by its dotted path")
    input_value: str | None = Field(
        description="The key's value as text, numbers and ids masked where it has many; a range of numbers (`>= 12`) "
        "where a suggestion is about one; null for all runs whose input has the key, whatever its value"
    )
    usage_count: int = Field(description="Runs; an estimate where `sample.is_exact` is false")
    success_rate: float = Field(description="Fraction from 0 to 1 of these runs, those still running included")


class ExecutionPath(BaseModel):
    """Runs that took one path."""

    model_config = ConfigDict(extra="forbid")

    execution_path: str = Field(description="The names of the steps in order, loops collapsed and counted")
    frequency: int = Field(description="Runs")
    share: float = Field(description="Fraction of all runs of the window")
    avg_duration: float | None = Field(description="Milliseconds, over runs of known duration")
    p95_duration: float | None = Field(description="Milliseconds, within 2 %")
    avg_credits: float | None = Field(description="Over runs that tell their credits")
    avg_cost_usd: float | None = Field(description="US dollars, over runs of known cost")
    success_rate: float = Field(description="Fraction from 0 to 1 of these runs, those still running included")


class Bottleneck(BaseModel):
    """What one step, by its name, takes of the runs' time."""

    model_config = ConfigDict(extra="forbid")

    step_name: str
    avg_duration: float | None = Field(description="Milliseconds of one call")
    p95_duration: float | None = Field(description="Milliseconds, within 2 %")
    execution_count: int = Field(description="Calls, repeated attempts included, reports of the same call counted once")
    executions: int = Field(description="Runs with such a call, counted for each operation of this name")
    failed: int = Field(description="Calls that failed")
    retries: int = Field(description="Calls that repeated a failed one")
    duration_variance: float | None = Field(
        description="Variance of the durations in square milliseconds (SQL's `var_samp`); null for fewer than two"
    )
    duration_stddev: float | None = Field(description="Its root, in milliseconds (SQL's `stddev`)")
    critical_path_share: float | None = Field(
        description="Fraction of the successful runs' time in which this step alone decided how long the run took; "
        "null where no run succeeded"
    )
    headroom_ms_per_execution: float | None = Field(
        description="Milliseconds that a successful run would save, on average, if the step always took as long as in "
        "its fastest tenth"
    )


class Sample(BaseModel):
    """How many runs stand for all of the window where single runs had to be read."""

    model_config = ConfigDict(extra="forbid")

    executions: int = Field(description="Runs in the window")
    sampled: int = Field(description="Runs that were read")
    is_exact: bool = Field(description="Whether these are all of them; if not, what is told of them is an estimate")


class Patterns(BaseModel):
    """How the runs go that started in a window."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: datetime = Field(alias="from", description="Start of the window, inclusive")
    to: datetime = Field(description="End of the window, exclusive")
    tz: str = Field(description="Time zone of the hours of the day")
    hourly_patterns: list[DayHour] = Field(description="By hour; hours without runs are left out")
    input_patterns: list[InputPattern] = Field(description="Keys and values of the runs' inputs, the most used first")
    sample: Sample = Field(description="The runs that `input_patterns` is told from")
    execution_paths: list[ExecutionPath] = Field(description="The most frequent first")
    bottlenecks: list[Bottleneck] = Field(
        description="Steps below the top one by their share of the critical path, the largest first"
    )
    optimization_suggestions: list[Suggestion] = Field(description="What to change, as `/suggestions` has it")
