"""The same runs give the same suggestions, whatever order they come in."""

from dataclasses import replace
from random import Random

import pytest
from bench.planted import simulate
from bench.planted_cases import planted_case
from bench.planted_records import sample_of

from stepwell_api.insight.finding import Kind
from stepwell_api.insight.suggestions import suggest


@pytest.mark.parametrize("kind", [Kind.FAILING_STEP, Kind.LATENCY_REGRESSION, Kind.STUCK_LOOP, Kind.PEAK_HOURS])
def test_order_of_runs_changes_nothing(kind: Kind) -> None:
    case = planted_case(kind, Random(f"order {kind}"))
    sample = sample_of(case.plan, simulate(case.plan, Random(7)))
    mixed = list(sample.runs)
    Random(3).shuffle(mixed)
    told = suggest(sample)
    assert told
    assert suggest(replace(sample, runs=mixed)) == told


def test_weights_of_a_sample_scale_the_impact_and_not_the_claim() -> None:
    case = planted_case(Kind.FAILING_STEP, Random(5))
    sample = sample_of(case.plan, simulate(case.plan, Random(7)))
    tenfold = replace(sample, runs=[replace(run, weight=10.0) for run in sample.runs], executions=10 * len(sample.runs))
    (once,), (ten,) = suggest(sample), suggest(tenfold)
    assert ten["id"] == once["id"]
    assert ten["evidence"]["p_value"] == once["evidence"]["p_value"]
    assert ten["impact"]["executions_affected"] == 10 * once["impact"]["executions_affected"]


def test_too_few_runs_say_nothing() -> None:
    case = planted_case(Kind.BOTTLENECK_STEP, Random(1))
    sample = sample_of(case.plan, simulate(case.plan, Random(7))[:49])
    assert suggest(replace(sample, executions=49)) == []
