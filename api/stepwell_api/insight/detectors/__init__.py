"""Detectors: pure functions from a frame to every hypothesis that they tested, one module for each theme."""

from collections.abc import Callable, Iterator
from typing import Final

from stepwell_api.insight.detectors import (
    hours,
    inputs,
    loops,
    parallel,
    paths,
    regressions,
    repeats,
    steps,
    timeouts,
    tokens,
)
from stepwell_api.insight.finding import Finding, Kind
from stepwell_api.insight.frame import Frame
from stepwell_api.insight.thresholds import Thresholds

Detector = Callable[[Frame, Thresholds], Iterator[Finding]]

DETECTORS: Final[tuple[tuple[frozenset[Kind], Detector], ...]] = (
    (frozenset((Kind.STUCK_LOOP,)), loops.find_stuck),
    (frozenset((Kind.DUPLICATE_CALLS,)), loops.find_duplicates),
    (frozenset((Kind.FLAKY_STEP, Kind.RETRY_WASTE)), repeats.find),
    (frozenset((Kind.TIMEOUT_RISK,)), timeouts.find),
    (frozenset((Kind.FAILING_INPUT,)), inputs.find),
    (frozenset((Kind.PEAK_HOURS,)), hours.find),
    (frozenset((Kind.TOKEN_GROWTH,)), tokens.find),
    (frozenset((Kind.FAILURE_REGRESSION,)), regressions.find_failing),
    (frozenset((Kind.LATENCY_REGRESSION,)), regressions.find_slower),
    (frozenset((Kind.PARALLELIZABLE_STEPS,)), parallel.find),
    (frozenset((Kind.FAILING_STEP,)), steps.find_failing),
    (frozenset((Kind.UNDERPERFORMING_PATH,)), paths.find),
    (frozenset((Kind.BOTTLENECK_STEP,)), steps.find_bottleneck),
)
"""Kinds → who finds them."""
