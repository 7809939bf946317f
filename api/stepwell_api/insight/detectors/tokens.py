"""`token_growth`: tokens per run that grow over the window, or prompts that grow within runs."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from stepwell_api.insight.detectors.shifts import DAY_S, Season
from stepwell_api.insight.finding import Finding, Kind, Saving, Toll
from stepwell_api.insight.frame import Frame, Mask, RunFacts
from stepwell_api.insight.significance import (
    Numbers,
    binomial_above,
    normal_above,
    ranks,
)
from stepwell_api.insight.thresholds import Thresholds
from stepwell_storage.model import Status

ENDS = 0.25
"""Part of the runs at either end of the window that is compared."""
MOSTLY = 0.5
"""Share of the long runs whose prompts grow."""
RISING = 0.75
"""Share of a run's model calls whose prompt is longer than the one before."""
SOLE = 0.8
"""Part of the growth that one of several model steps has to account for to be named."""


def find(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """Growth over time, and growth within runs for each model step."""
    yield from _over_time(frame, limits)
    for name, runs in sorted(_prompts(frame).items()):
        yield from _within_runs(frame, limits, name, runs)


def _over_time(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    for unit, amounts in (("tokens", frame.tokens), ("cost_usd", frame.cost_usd)):
        known = frame.good & np.isfinite(amounts) & (amounts > 0)
        if int(known.sum()) >= 2 * limits.min_group:
            yield _trend(frame, limits, unit, amounts, known)
            return


def _trend(frame: Frame, limits: Thresholds, unit: str, amounts: Numbers, known: Mask) -> Finding:
    values, times = amounts[known], frame.start_s[known]
    first, last = _ends(values, times)
    before, after = float(np.median(first)), float(np.median(last))
    ratio = after / before if before else 1.0
    middle = times > np.median(times)
    excess = np.maximum(values - before, 0.0)
    price = _price(frame, known)
    days = float(times[-1] - times[0]) / DAY_S
    touched = frame.part(known, middle)
    return Finding(
        Kind.TOKEN_GROWTH,
        {"step_name": _growing_step(frame, known)},
        _correlation_above(values, times),
        "rank correlation (Spearman) with time, beside hours and kinds of day, of the tokens of successful runs",
        ratio >= limits.token_growth and days >= limits.min_regression_days,
        len(values),
        {
            f"median_{unit}_at_start": before,
            f"median_{unit}_at_end": after,
            "ratio": ratio,
            "grows": "over time",
            **_quarters(frame, unit, amounts, known),
        },
        frozenset((Toll.TOKENS, Toll.TIME)),
        frame.at(touched),
        frame.newest(touched),
        Saving(
            frame.weight_of(known),
            0.0,
            float(excess.sum()) * frame.scale(known) * (price if unit == "tokens" else 1.0),
        ),
    )


def _quarters(frame: Frame, unit: str, amounts: Numbers, known: Mask) -> Mapping[str, Any]:
    """Where the compared ends of the window lie, and the means of all runs in them."""
    chosen = frame.indexes(known)
    count = max(int(len(chosen) * ENDS), 1)
    until, since = frame.runs[chosen[count]].start, frame.runs[chosen[-count]].start
    early = np.array([run.start < until for run in frame.runs]) & np.isfinite(amounts)
    late = np.array([run.start >= since for run in frame.runs]) & np.isfinite(amounts)
    return {
        "first_quarter_until": until.isoformat().replace("+00:00", "Z"),
        "last_quarter_from": since.isoformat().replace("+00:00", "Z"),
        f"mean_{unit}_in_first_quarter": _mean(amounts[early], frame.weight[early]),
        f"mean_{unit}_in_last_quarter": _mean(amounts[late], frame.weight[late]),
    }


def _mean(amounts: Numbers, weights: Numbers) -> float | None:
    """Nothing lies in the first quarter of runs that all started at once."""
    return float(np.average(amounts, weights=weights)) if len(amounts) else None


def _ends(values: Numbers, times: Numbers) -> tuple[Numbers, Numbers]:
    count = max(int(len(values) * ENDS), 1)
    return values[:count], values[len(times) - count :]


def _correlation_above(values: Numbers, times: Numbers) -> float:
    """P-value that values rise with time, beside hours and kinds of day."""
    return normal_above(Season(times, values).z(ranks(times), with_days=True))


def _growing_step(frame: Frame, known: Mask) -> str | None:
    """The model step that makes up for the growth; ``None`` where it is several, or the only one."""
    chosen = frame.indexes(known)
    count = max(int(len(chosen) * ENDS), 1)
    first, last = (_tokens_by_step(frame, part) for part in (chosen[:count], chosen[len(chosen) - count :]))
    names = sorted(set(first) | set(last))
    growth = {name: last.get(name, 0.0) - first.get(name, 0.0) for name in names}
    total = sum(max(amount, 0.0) for amount in growth.values())
    if len(names) < 2 or not total:
        return None
    best = max(names, key=lambda name: (growth[name], name))
    return best if growth[best] >= SOLE * total else None


def _tokens_by_step(frame: Frame, runs: Sequence[int]) -> Mapping[str, float]:
    """Mean tokens per run of each step that has any."""
    found: dict[str, float] = defaultdict(float)
    for i in runs:
        for call in frame.facts[i].calls:
            if call.step.tokens:
                found[call.step.name] += call.step.tokens / len(runs)
    return found


def _prompts(frame: Frame) -> Mapping[str, Mapping[int, Sequence[int]]]:
    """Model step → run → prompt tokens of its calls in order, retries left out."""
    found: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i in frame.indexes(frame.good):
        for name, tokens in _prompts_of(frame.facts[i]):
            found[name][i].append(tokens)
    return found


def _prompts_of(facts: RunFacts) -> Iterator[tuple[str, int]]:
    for call in facts.calls:
        step = call.step
        if step.prompt_tokens and step.attempt == 1 and step.status is Status.SUCCESS:
            yield step.name, step.prompt_tokens


def _within_runs(frame: Frame, limits: Thresholds, name: str, runs: Mapping[int, Sequence[int]]) -> Iterator[Finding]:
    long = {i: prompts for i, prompts in runs.items() if len(prompts) >= limits.context_calls}
    if len(long) < limits.min_group:
        return
    growing = {i for i, prompts in long.items() if _grows(prompts, limits)}
    ratios = [prompts[-1] / prompts[0] for prompts in long.values()]
    group = frame.mask(growing)
    saved = {i: sum(max(tokens - prompts[0], 0) for tokens in prompts) for i, prompts in long.items()}
    price = _price(frame, frame.good)
    yield Finding(
        Kind.TOKEN_GROWTH,
        {"step_name": name},
        binomial_above(len(growing), len(long), 1 / 4),
        "binomial test that prompts grow from call to call in more than a quarter of the runs with several calls",
        len(growing) >= MOSTLY * len(long) and float(np.median(ratios)) >= limits.context_growth,
        len(long),
        {
            "executions_with_several_calls": len(long),
            "growing": len(growing),
            "median_ratio_of_last_to_first_prompt": float(np.median(ratios)),
            "grows": "within runs",
        },
        frozenset((Toll.TOKENS, Toll.TIME)),
        frame.at(group),
        frame.newest(group),
        Saving(frame.weight_of(group), 0.0, price * sum(saved[i] * frame.weight[i] for i in growing)),
    )


def _grows(prompts: Sequence[int], limits: Thresholds) -> bool:
    rises = sum(later > earlier for earlier, later in pairwise(prompts))
    return rises >= RISING * (len(prompts) - 1) and prompts[-1] >= limits.context_growth * prompts[0]


def _price(frame: Frame, known: Mask) -> float:
    """USD per token of the runs; 0 where cost is unknown."""
    priced = known & np.isfinite(frame.cost_usd) & np.isfinite(frame.tokens)
    tokens = float(frame.tokens[priced].sum())
    return float(frame.cost_usd[priced].sum()) / tokens if tokens else 0.0
