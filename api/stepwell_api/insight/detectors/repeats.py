"""Steps that are repeated after they failed: `flaky_step` where it helps, `retry_waste` where it does not.

A chain is a step's failed call with the repetitions right after it (the fold's attempts).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stepwell_api.insight.finding import Finding, Kind, Saving, Toll
from stepwell_api.insight.frame import BAD, EXAMPLES, Call, Frame, RunFacts
from stepwell_api.insight.significance import binomial_above, binomial_below
from stepwell_api.insight.thresholds import Thresholds
from stepwell_storage.model import Status

NEVER_HELPS = 1 / 3
"""Repeating that helps in a third of the cases is no waste: the rate that has to be ruled out."""


@dataclass(slots=True)
class _Repeats:
    """What became of one step's repetitions."""

    calls: int = 0
    failures: int = 0
    repetitions: int = 0
    """Of its calls."""
    chains: int = 0
    recovered: int = 0
    helped: dict[int, float] = field(default_factory=dict)
    """Run → milliseconds spent on calls that failed before one succeeded."""
    wasted: dict[int, float] = field(default_factory=dict)
    """Run → milliseconds spent on repetitions without success."""
    cost_usd: float = 0.0
    """Of repetitions without success."""


def find(frame: Frame, limits: Thresholds) -> Iterator[Finding]:
    """Both kinds, for each step."""
    steps = _repeats(frame)
    calls, failures = sum(s.calls for s in steps.values()), sum(s.failures for s in steps.values())
    for name in sorted(steps):
        repeats = steps[name]
        if repeats.calls < limits.min_group or not repeats.failures:
            continue
        yield _flaky(frame, limits, name, repeats, (calls - repeats.calls, failures - repeats.failures))
        if repeats.chains:
            yield _wasted(frame, limits, name, repeats)


def chains_of(facts: RunFacts) -> Iterator[list[Call]]:
    """The calls of each step in a run, parted where a call does not repeat the one before."""
    latest: dict[tuple[str, str], list[Call]] = {}
    for call in facts.calls:
        if call.step.status is Status.RUNNING:
            continue
        key = (call.step.role.value, call.step.name)
        if call.step.attempt > 1 and key in latest:
            latest[key].append(call)
            continue
        if key in latest:
            yield latest[key]
        latest[key] = [call]
    yield from latest.values()


def _repeats(frame: Frame) -> Mapping[str, _Repeats]:
    found: dict[str, _Repeats] = defaultdict(_Repeats)
    for i, facts in enumerate(frame.facts):
        for chain in chains_of(facts):
            _count(found[chain[0].step.name], i, chain)
    return found


def _count(repeats: _Repeats, run: int, chain: Sequence[Call]) -> None:
    failed = [call for call in chain if call.step.status in BAD]
    repeats.calls += len(chain)
    repeats.repetitions += sum(call.step.attempt > 1 for call in chain)
    repeats.failures += len(failed)
    if len(chain) < 2:
        return
    repeats.chains += 1
    if chain[-1].step.status is Status.SUCCESS:
        repeats.recovered += 1
        repeats.helped[run] = repeats.helped.get(run, 0.0) + _time_ms(failed)
    else:
        repeats.wasted[run] = repeats.wasted.get(run, 0.0) + _time_ms(chain[1:])
        repeats.cost_usd += sum(call.step.cost_usd or 0.0 for call in chain[1:])


def _time_ms(calls: Sequence[Call]) -> float:
    return sum(call.step.duration_ms or 0.0 for call in calls)


def _flaky(frame: Frame, limits: Thresholds, name: str, repeats: _Repeats, others: tuple[int, int]) -> Finding:
    runs = frame.mask(set(repeats.helped))
    share = frame.weight_of(runs) / frame.weight_of(frame.with_steps)
    other_calls, other_failures = others
    usual = other_failures / other_calls if other_calls >= limits.min_group else 0.0
    rate = max(limits.background_rate, min(usual, limits.rare_error_rate))
    recovered = repeats.recovered / repeats.chains if repeats.chains else 0.0
    return Finding(
        Kind.FLAKY_STEP,
        {"step_name": name},
        binomial_above(repeats.failures, repeats.calls, rate),
        "binomial test that the step fails more often per call than the other steps do",
        share >= limits.recurrence and recovered >= limits.flaky_recovery and len(repeats.helped) >= 3,
        repeats.calls,
        {
            "calls": repeats.calls,
            "failed_calls": repeats.failures,
            "failure_rate_per_call": repeats.failures / repeats.calls,
            "failure_rate_of_other_steps": usual,
            "repeated": repeats.chains,
            "recovered": repeats.recovered,
            "share_of_executions": share,
        },
        frozenset((Toll.TIME,)),
        frame.at(runs),
        frame.newest(runs),
        Saving(frame.weight_of(runs), sum(ms * frame.weight[i] for i, ms in repeats.helped.items())),
    )


def _wasted(frame: Frame, limits: Thresholds, name: str, repeats: _Repeats) -> Finding:
    runs = frame.mask(set(repeats.wasted))
    share = frame.weight_of(runs) / frame.weight_of(frame.with_steps)
    recovered = repeats.recovered / repeats.chains
    return Finding(
        Kind.RETRY_WASTE,
        {"step_name": name},
        binomial_below(repeats.recovered, repeats.chains, NEVER_HELPS),
        "binomial test that repeating helps in less than a third of the cases",
        share >= limits.recurrence and recovered <= limits.wasted_recovery and len(repeats.wasted) >= EXAMPLES,
        repeats.chains,
        {
            "repeated": repeats.chains,
            "recovered": repeats.recovered,
            "repetitions": repeats.repetitions,
            "share_of_executions": share,
            "wasted_ms": sum(repeats.wasted.values()),
        },
        frozenset((Toll.TIME, Toll.FAILURES, Toll.TOKENS)),
        frame.at(runs),
        frame.newest(runs),
        Saving(frame.weight_of(runs), sum(ms * frame.weight[i] for i, ms in repeats.wasted.items()), repeats.cost_usd),
    )
