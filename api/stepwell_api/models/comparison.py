"""Answers that compare two sides."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from stepwell_storage.model import Status


class ComparedSide(BaseModel):
    """One side."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    kind: Literal["version", "environment", "model", "window", "execution"]
    value: str
    from_: datetime = Field(alias="from", description="Start of its runs, inclusive")
    to: datetime = Field(description="Exclusive")
    executions: int = Field(description="Runs; an estimate for a model where `is_exact` is false")
    sampled: int = Field(description="Runs that were read, each as likely as any other")
    is_exact: bool = Field(description="Whether all of them were read")


class FigureDifference(BaseModel):
    """A figure on both sides, and how sure it is that they differ."""

    model_config = ConfigDict(extra="forbid")

    name: str
    a: float | None
    b: float | None
    difference: float | None = Field(description="b less a")
    change: float | None = Field(description="The difference as a fraction of a; null where a is 0")
    low: float | None = Field(description="Lower end of the difference's 95 % interval")
    high: float | None = Field(description="Upper end")
    effect_size: float | None = Field(
        description="Cliff's delta of durations, tokens, cost and steps (-1 to 1), Cohen's h of rates; above 0 where b "
        "has more"
    )
    p_value: float | None = Field(description="Corrected over the figures of its list; null where nothing was tested")
    is_significant: bool = Field(description="At most 1 %, with at least 30 runs or calls on each side")
    test: str | None
    n_a: int = Field(description="Runs or calls behind a")
    n_b: int = Field(description="Runs or calls behind b")


class StepDifference(BaseModel):
    """A step below the top one, on both sides."""

    model_config = ConfigDict(extra="forbid")

    step_name: str
    calls_per_execution: list[float | None] = Field(description="Of a and of b; null where it has none of its runs")
    figures: list[FigureDifference] = Field(description="`avg_duration` in milliseconds, and `failure_rate` of calls")


class PathDifference(FigureDifference):
    """The share of the runs that took a path."""

    execution_path: str


class DivergingStep(BaseModel):
    """The step of one run where it parts from the other."""

    model_config = ConfigDict(extra="forbid")

    span_id: str
    step_index: int
    step_name: str
    status: Status
    start_time: datetime
    duration_ms: float | None
    error_type: str | None


class Divergence(BaseModel):
    """Where two runs part."""

    model_config = ConfigDict(extra="forbid")

    common_steps: int = Field(description="Steps before, which both took and which ended alike")
    a: DivergingStep | None = Field(description="Null where this run took no further step")
    b: DivergingStep | None


class Comparison(BaseModel):
    """Two sides of an agent's runs."""

    model_config = ConfigDict(extra="forbid")

    a: ComparedSide
    b: ComparedSide
    figures: list[FigureDifference] = Field(
        description="Durations in milliseconds, shares of finished runs, tokens, cost in US dollars, steps; of two "
        "executions their own figures"
    )
    steps: list[StepDifference] = Field(description="Those that differ most surely first")
    paths: list[PathDifference] = Field(description="Those that differ most surely first")
    divergence: Divergence | None = Field(
        description="Of two executions the first step at which they part; null where they took the same steps"
    )
