"""Keeps of all tested hypotheses what is significant, and tells each cause once.

A cause explains another finding if that one is gone without the runs that the cause touches; what is left then is
tested again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepwell_api.insight.detectors import DETECTORS
from stepwell_api.insight.finding import Finding, Kind, identity_of
from stepwell_api.insight.frame import Frame
from stepwell_api.insight.significance import adjusted, fisher_greater
from stepwell_api.insight.thresholds import Thresholds

STILL = 0.05
"""P-value up to which a finding stands without the runs that another one touches: it has been shown once already."""
LOCAL = 0.01
"""P-value of a step failing less outside of a path, from which on the path and not the step is the cause."""
_ORDER: Mapping[Kind, int] = {kind: at for at, kind in enumerate(Kind)}
_SAME_STEP: Mapping[Kind, frozenset[Kind]] = {
    Kind.STUCK_LOOP: frozenset((Kind.DUPLICATE_CALLS, Kind.FAILING_STEP, Kind.TIMEOUT_RISK)),
    Kind.RETRY_WASTE: frozenset((Kind.FAILING_STEP, Kind.FLAKY_STEP)),
    Kind.TIMEOUT_RISK: frozenset((Kind.FAILING_STEP, Kind.BOTTLENECK_STEP)),
    Kind.FLAKY_STEP: frozenset((Kind.FAILING_STEP,)),
}
"""Kind → kinds that say the same of the same step in a less specific way."""
_GROUPS = frozenset((Kind.FAILING_INPUT, Kind.PEAK_HOURS, Kind.FAILURE_REGRESSION, Kind.UNDERPERFORMING_PATH))
"""Kinds whose runs are chosen by something else than their outcome: either of two may be what explains the other."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A finding that is significant and told."""

    finding: Finding
    p_adjusted: float
    hypotheses: int
    """How many were tested for the agent."""


def decide(frame: Frame, limits: Thresholds) -> list[Claim]:
    """The claims that the data supports, the most specific kinds first; none below the minimum of runs."""
    if frame.sample.executions < limits.min_executions:
        return []
    findings = [finding for _, detect in DETECTORS for finding in detect(frame, limits)]
    p_values = adjusted([finding.p_value for finding in findings])
    claims = [
        Claim(finding, p_value, len(findings))
        for finding, p_value in zip(findings, p_values, strict=True)
        if finding.holds and p_value <= limits.false_discovery_rate
    ]
    claims.sort(key=lambda claim: (_ORDER[claim.finding.kind], claim.finding.p_value, claim.finding.key))
    return _told_once(frame, limits, claims)


def _told_once(frame: Frame, limits: Thresholds, claims: Sequence[Claim]) -> list[Claim]:
    kept: list[Claim] = []
    for claim in claims:
        finding = claim.finding
        if any(_explains(frame, limits, other.finding, finding) for other in kept):
            continue
        kept = [other for other in kept if not _is_the_better(frame, limits, finding, other.finding)]
        kept.append(claim)
    return kept


def _explains(frame: Frame, limits: Thresholds, cause: Finding, finding: Finding) -> bool:
    """Whether the finding tells nothing beyond the cause, which is at least as specific."""
    if cause.key == finding.key or _says_same(cause, finding):
        return True
    if not cause.tolls & finding.tolls or _is_the_better(frame, limits, finding, cause):
        return False
    return not _stands_without(frame, limits, finding, cause)


def _says_same(cause: Finding, finding: Finding) -> bool:
    same_step = cause.target.get("step_name") == finding.target.get("step_name")
    return same_step and finding.kind in _SAME_STEP.get(cause.kind, ())


def _is_the_better(frame: Frame, limits: Thresholds, finding: Finding, other: Finding) -> bool:
    """Whether the less specific finding explains the more specific one, and not the other way round."""
    if finding.kind is Kind.UNDERPERFORMING_PATH and other.kind is Kind.FAILING_STEP:
        return _fails_only_on(frame, limits, other, finding)
    if finding.kind is other.kind or not {finding.kind, other.kind} <= _GROUPS or not finding.tolls & other.tolls:
        return False
    return _stands_without(frame, limits, finding, other) and not _stands_without(frame, limits, other, finding)


def _fails_only_on(frame: Frame, limits: Thresholds, step: Finding, path: Finding) -> bool:
    """Whether the step fails less often where it is called outside of the path."""
    calls = {True: [0, 0], False: [0, 0]}
    for facts, place in zip(frame.facts, frame.places, strict=True):
        for call in facts.calls:
            if call.step.name == step.target["step_name"]:
                calls[place in path.runs][0] += call.failed
                calls[place in path.runs][1] += 1
    (hits, size), (other_hits, other_size) = calls[True], calls[False]
    return other_size >= limits.min_group and fisher_greater(hits, size, other_hits, other_size) <= LOCAL


def _stands_without(frame: Frame, limits: Thresholds, finding: Finding, cause: Finding) -> bool:
    """Whether the finding holds in the runs that the cause does not touch."""
    rest = frame.without(cause.runs)
    for kinds, detect in DETECTORS:
        if finding.kind in kinds:
            return any(
                again.holds and again.p_value <= STILL and _is_same(again, finding) for again in detect(rest, limits)
            )
    return False


def _is_same(one: Finding, other: Finding) -> bool:
    """Whether both are about the same thing; a shift's time, a series' ends and an error's type may differ a little."""
    if one.kind is not other.kind or (one.kind is not Kind.PARALLELIZABLE_STEPS and one.tolls != other.tolls):
        return False
    if one.kind in (Kind.PEAK_HOURS, Kind.PARALLELIZABLE_STEPS):
        return True
    return _told_of(one) == _told_of(other)


def _told_of(finding: Finding) -> Mapping[str, Any]:
    return {key: value for key, value in identity_of(finding).items() if key != "since"}
