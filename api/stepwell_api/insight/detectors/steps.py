"""Steps that decide how runs end and how long they take: `failing_step` and `bottleneck_step`."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from stepwell_api.insight.critical import ROOT
from stepwell_api.insight.finding import Finding, Kind, Saving, Toll
from stepwell_api.insight.frame import Frame
from stepwell_api.insight.significance import Numbers, can_show, fisher_greater, normal_above
from stepwell_api.insight.thresholds import Thresholds


def find_failing(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """`failing_step`, for each step that runs failed in."""
    causes: dict[str, list[int]] = defaultdict(list)
    for i in frame.indexes(frame.bad):
        causes[frame.runs[i].error_step_name or ROOT].append(i)
    calls, failures = calls_by_step(frame)
    all_calls, all_failures = sum(calls.values()), sum(failures.values())
    failed = frame.weight_of(frame.bad)
    for name in sorted(name for name in causes if calls.get(name)):
        runs = frame.mask(set(causes[name]))
        others = all_failures - failures[name], all_calls - calls[name]
        if not can_show(calls[name], others[1], all_failures):
            continue
        share, caused = frame.weight_of(runs) / failed, frame.weight_of(runs)
        rate, other_rate = failures[name] / calls[name], others[0] / others[1] if others[1] else 0.0
        enough = calls[name] >= limits.min_group and others[1] >= limits.min_group
        yield Finding(
            Kind.FAILING_STEP,
            {"step_name": name, "error_type": _usual_error(frame, causes[name])},
            fisher_greater(failures[name], calls[name], *others),
            "Fisher's exact test of failures per call against the other steps",
            enough
            and share >= limits.failing_step_share
            and caused >= limits.failing_step_failures
            and rate >= limits.rate_ratio * other_rate,
            calls[name],
            {
                "failed_executions": caused,
                "share_of_failed_executions": share,
                "calls": calls[name],
                "failure_rate_per_call": rate,
                "failure_rate_of_other_steps": other_rate,
            },
            frozenset((Toll.FAILURES,)),
            frame.at(runs),
            frame.newest(runs),
            Saving(caused, 0.0, 0.0, caused),
        )


def calls_by_step(frame: Frame) -> tuple[Counter[str], Counter[str]]:
    """(calls, failures of their own) of each step that does work itself; steps around others are left out."""
    calls: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for facts in frame.facts:
        for call in facts.calls:
            if call.is_leaf or call.failed:
                calls[call.step.name] += 1
                failures[call.step.name] += call.failed
    return calls, failures


def _usual_error(frame: Frame, runs: list[int]) -> str | None:
    counts = Counter(frame.runs[i].error_type for i in runs)
    return min(counts, key=lambda name: (-counts[name], name is None, name or ""))


def find_bottleneck(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """`bottleneck_step`, for each step on the critical path of successful runs."""
    chosen = frame.indexes(frame.good & frame.with_steps)
    times = [(frame.facts[i].critical_ms, i) for i in chosen]
    totals = np.array([sum(critical.values()) for critical, _ in times])
    if len(chosen) < limits.min_group or not totals.sum():
        return
    names = sorted({name for critical, _ in times for name in critical if name != ROOT})
    for name in names:
        own = np.array([critical.get(name, 0.0) for critical, _ in times])
        yield _bottleneck(frame, limits, name, chosen, own, totals)


def _bottleneck(
    frame: Frame,
    limits: Thresholds,
    name: str,
    chosen: list[int],
    own: Numbers,
    totals: Numbers,
) -> Finding:
    share = float(own.sum() / totals.sum())
    runs = frame.mask({i for i, ms in zip(chosen, own, strict=True) if ms > 0})
    return Finding(
        Kind.BOTTLENECK_STEP,
        {"step_name": name},
        _share_above(own, totals, limits.bottleneck_share),
        "z-test of the ratio of sums over runs (delta method)",
        share >= limits.bottleneck_share,
        len(chosen),
        {
            "critical_path_share": share,
            "mean_critical_ms": float(own.mean()),
            **_headroom(own),
        },
        frozenset((Toll.TIME,)),
        frame.at(runs),
        _slowest(frame, chosen, own),
        Saving(frame.weight_of(runs), float(np.maximum(own - _best_decile(own), 0.0).sum() * _scale(frame, chosen))),
    )


def _share_above(own: Numbers, totals: Numbers, share: float) -> float:
    """P-value that the pooled share exceeds `share`: runs, not milliseconds, are independent."""
    residual = own - share * totals
    spread = float(residual.std(ddof=1)) * math.sqrt(len(own))
    if spread == 0.0:
        return 0.0 if residual.sum() > 0 else 1.0
    return normal_above(float(residual.sum()) / spread)


def _best_decile(own: Numbers) -> float:
    return float(np.quantile(own[own > 0], 0.1)) if (own > 0).any() else 0.0


def _headroom(own: Numbers) -> Mapping[str, float]:
    """What the step would save if it always took what it takes in its best tenth."""
    best = _best_decile(own)
    return {"best_decile_ms": best, "headroom_ms": float(np.maximum(own - best, 0.0).mean())}


def _slowest(frame: Frame, chosen: list[int], own: Numbers) -> list[int]:
    order = sorted(range(len(chosen)), key=lambda k: (-own[k], chosen[k]))
    return [frame.places[chosen[k]] for k in order[:5]]


def _scale(frame: Frame, chosen: list[int]) -> float:
    return float(frame.weight[chosen].mean())
