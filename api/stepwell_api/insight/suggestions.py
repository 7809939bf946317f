"""Suggestions as the contract has them, made of what was found: the same data gives the same suggestions."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

import numpy as np
import orjson

from stepwell_api.insight.deciding import Claim, decide
from stepwell_api.insight.finding import Finding, Kind, identity_of
from stepwell_api.insight.frame import Frame
from stepwell_api.insight.sample import Sample
from stepwell_api.insight.thresholds import DEFAULTS, Thresholds
from stepwell_api.insight.wording import words_of

Suggestion = dict[str, Any]
Severity = Literal["info", "warning", "critical"]

CRITICAL_SHARE: Final = 0.1
"""Share of all runs that fail for this cause, or of all time spent on it times five."""
INFO_SHARE: Final = 0.02
SUREST: Final = 0.9999
"""Confidence is never told above it."""
_RANK: Final[Mapping[str, int]] = {"critical": 0, "warning": 1, "info": 2}
_CHECKS: Final[Mapping[Kind, str]] = {
    Kind.PEAK_HOURS: "patterns",
    Kind.BOTTLENECK_STEP: "patterns",
    Kind.UNDERPERFORMING_PATH: "patterns",
    Kind.FAILING_INPUT: "patterns",
    Kind.FLAKY_STEP: "patterns",
    Kind.RETRY_WASTE: "patterns",
    Kind.FAILING_STEP: "failures",
    Kind.TIMEOUT_RISK: "failures",
    Kind.TOKEN_GROWTH: "compare",
    Kind.LATENCY_REGRESSION: "compare",
    Kind.FAILURE_REGRESSION: "compare",
}
"""Kind → the endpoint of the agent that shows its figures; the others are shown by their example runs."""
_STATUSES: Final[Mapping[Kind, Sequence[str]]] = {
    Kind.FAILING_STEP: ("failed", "timeout"),
    Kind.TIMEOUT_RISK: ("timeout",),
}
"""How the runs ended whose failures are to be shown."""

_OF_STEPS: Final = frozenset(
    (
        Kind.BOTTLENECK_STEP,
        Kind.DUPLICATE_CALLS,
        Kind.FLAKY_STEP,
        Kind.PARALLELIZABLE_STEPS,
        Kind.RETRY_WASTE,
        Kind.STUCK_LOOP,
        Kind.TIMEOUT_RISK,
        Kind.UNDERPERFORMING_PATH,
    )
)
"""Kinds whose runs are counted by their steps, which may have been read of a part only."""


def suggest(sample: Sample, limits: Thresholds = DEFAULTS) -> list[Suggestion]:
    """The suggestions for an agent and a window, the most severe first."""
    frame = Frame.of(sample)
    suggestions = [_suggestion(frame, claim) for claim in decide(frame, limits)]
    return sorted(suggestions, key=lambda found: (_RANK[found["severity"]], -found["confidence"], found["id"]))


def suggestion_id(agent_id: str, finding: Finding) -> str:
    """The same for the same agent, kind and target; a time counts by its day, which more data does not move."""
    target = {key: value[:10] if key == "since" else value for key, value in identity_of(finding).items()}
    if target.get("version"):
        target.pop("since", None)
    identity = orjson.dumps([agent_id, finding.kind.value, target], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(identity).hexdigest()[:20]


def _suggestion(frame: Frame, claim: Claim) -> Suggestion:
    finding = claim.finding
    title, detail = words_of(finding)
    return {
        "id": suggestion_id(frame.sample.agent_id, finding),
        "kind": finding.kind.value,
        "target": dict(finding.target),
        "title": title,
        "detail": detail,
        "severity": _severity(frame, finding),
        "confidence": round(float(min(1.0 - claim.p_adjusted, SUREST)), 4),
        "impact": _impact(frame, finding),
        "evidence": _evidence(frame, claim),
        "example_execution_ids": [frame.runs[i].execution_id for i in finding.examples],
    }


def _impact(frame: Frame, finding: Finding) -> dict[str, float]:
    saving, days = finding.saving, frame.sample.days
    scale = _runs_per_run_with_steps(frame) if finding.kind in _OF_STEPS else 1.0
    per_execution = saving.duration_ms / saving.executions if saving.executions else 0.0
    return {
        "executions_affected": round(saving.executions * scale),
        "duration_ms_per_execution": round(float(per_execution), 3),
        "cost_usd_per_day": round(float(saving.cost_usd * scale / days), 6),
        "failures_per_day": round(float(saving.failures * scale / days), 4),
    }


def _runs_per_run_with_steps(frame: Frame) -> float:
    """What is counted over runs whose steps were read stands for so many times as many."""
    everything = frame.good | frame.bad
    read = frame.weight_of(everything & frame.with_steps)
    return frame.weight_of(everything) / read if read else 1.0


def _severity(frame: Frame, finding: Finding) -> Severity:
    """By the share of runs that fail for it, or of the time that it takes."""
    saving, everything = finding.saving, frame.good | frame.bad
    spent = float((frame.weight * [_known(ms) for ms in frame.duration_ms])[everything].sum())
    failing = saving.failures / max(frame.sample.executions, 1)
    share = max(failing, saving.duration_ms / spent / 5 if spent else 0.0)
    if share >= CRITICAL_SHARE:
        return "critical"
    return "info" if share < INFO_SHARE and not saving.failures else "warning"


def _known(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _evidence(frame: Frame, claim: Claim) -> dict[str, Any]:
    sample, finding = frame.sample, claim.finding
    return {
        "n": int(finding.n),
        **{name: _rounded(value) for name, value in finding.figures.items()},
        "window": {"from": sample.start, "to": sample.stop},
        "test": finding.test,
        "p_value": float(finding.p_value),
        "p_adjusted": float(claim.p_adjusted),
        "hypotheses": claim.hypotheses,
        "executions": sample.executions,
        "sampled": len(frame.runs),
        "check": check_of(frame, finding),
    }


def _rounded(value: Any) -> Any:
    """As JSON takes it: numpy's numbers as Python's, what is unknown as ``None``."""
    plain = value.item() if isinstance(value, np.generic) else value
    if not isinstance(plain, float):
        return plain
    return round(plain, 6) if math.isfinite(plain) else None


def check_of(frame: Frame, finding: Finding) -> str:
    """The call of the API that shows the figures: of the agent where an endpoint has them, else of an example."""
    sample = frame.sample
    endpoint = _CHECKS.get(finding.kind)
    if endpoint is None or finding.figures.get("grows") == "within runs":
        first = frame.runs[finding.examples[0]].execution_id if finding.examples else ""
        return f"/api/v1/executions/{quote(first, safe='')}/steps"
    window = [("from", _time(sample.start)), ("to", _time(sample.stop))]
    filters = [("environment", name) for name in sample.environment] + [("version", name) for name in sample.version]
    more = [*(("status", status) for status in _STATUSES.get(finding.kind, ())), ("limit", "1000")]
    asked = [*(_sides(finding, sample) if endpoint == "compare" else window), *filters, *more]
    return f"/api/v1/agents/{quote(sample.agent_id, safe='')}/{endpoint}?{urlencode(asked)}"


def _sides(finding: Finding, sample: Sample) -> list[tuple[str, str]]:
    """Before and after the shift, or the two ends of what grows, as two windows."""
    until = finding.figures.get("first_quarter_until") or finding.target["since"]
    since = finding.figures.get("last_quarter_from") or finding.target["since"]
    return [("a", f"window:{_time(sample.start)}/{until}"), ("b", f"window:{since}/{_time(sample.stop)}")]


def _time(time: Any) -> str:
    return str(time.isoformat()).replace("+00:00", "Z")
