"""What sets some runs apart from the successful ones: what they were given, and where and when they ran. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stepwell_api import effects
from stepwell_api.insight.inputs import Pair, countable_pairs
from stepwell_api.insight.reading import Marks, Reading
from stepwell_api.insight.sample import RunRecord
from stepwell_storage.fold.ending import masked
from stepwell_storage.model import Status

MIN_CASES: Final = 5
"""Runs with the trait, below which chance explains anything."""
MIN_SUCCESSES: Final = 30
"""Successful runs to compare with."""
MIN_LIFT: Final = 1.5
FALSE_DISCOVERY_RATE: Final = 0.01
MAX_TOLD: Final = 10
OF_INPUT: Final = "input."
"""Before the key of an input that is an attribute."""
MISSING: Final = "missing_input"
"""The trait that the input lacks a key which most inputs have."""
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Trait = tuple[str, str | None]
"""Attribute and value; ``None`` for an input's key whatever its value."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """A trait that some runs have more often than successful ones."""

    trait: Trait
    cases: int
    """Of the runs, those with the trait."""
    share: float
    """Of the runs."""
    base_share: float
    """Of the successful runs."""
    lift: float | None
    """The one by the other; ``None`` where no successful run has the trait."""
    interval: effects.Interval
    p_value: float

    def described(self) -> dict[str, Any]:
        """As the API tells it."""
        return {
            "attribute": self.trait[0],
            "value": self.trait[1],
            "count": self.cases,
            "share": self.share,
            "share_in_successes": self.base_share,
            "lift": self.lift,
            "lift_low": self.interval.low,
            "lift_high": self.interval.high,
            "p_value": self.p_value,
        }


def is_of_input(trait: Trait, inputs: Mapping[str, str]) -> bool:
    """Whether the trait is one of inputs, and of this one, values being compared masked as well."""
    name, value = trait
    if name == MISSING:
        return value not in inputs
    key = name.removeprefix(OF_INPUT)
    if key == name or key not in inputs:
        return False
    return value is None or value in (inputs[key], masked(inputs[key]))


def contrasts_of(reading: Reading, groups: Mapping[str, Sequence[int]]) -> dict[str, list[Contrast]]:
    """For each group of runs, by their places in the sample, its traits; the surest first.

    P-values are corrected over all traits of all groups that were tested (`effects.adjusted`).
    """
    runs = reading.sample.runs
    traits = _traits_of(reading)
    successes = [at for at, run in enumerate(runs) if run.status is Status.SUCCESS]
    if len(successes) < MIN_SUCCESSES:
        return {}
    base = Counter(trait for at in successes for trait in traits[at])
    tested = [
        (name, _contrast(trait, cases, len(members), base[trait], len(successes)))
        for name, members in groups.items()
        for trait, cases in Counter(trait for at in members for trait in traits[at]).items()
        if cases >= MIN_CASES
    ]
    found: dict[str, list[Contrast]] = {}
    p_values = effects.adjusted([contrast.p_value for _, contrast in tested])
    for (name, contrast), p_value in sorted(zip(tested, p_values, strict=True), key=_order):
        if p_value <= FALSE_DISCOVERY_RATE and (contrast.lift is None or contrast.lift >= MIN_LIFT):
            found.setdefault(name, []).append(_with_p_value(contrast, p_value))
    return {name: contrasts[:MAX_TOLD] for name, contrasts in found.items()}


def _order(item: tuple[tuple[str, Contrast], float]) -> tuple[Any, ...]:
    (name, contrast), p_value = item
    return (
        name,
        p_value,
        -contrast.interval.low if contrast.interval.low else 0.0,
        contrast.trait[0],
        contrast.trait[1] or "",
    )


def _contrast(trait: Trait, cases: int, size: int, base: int, base_size: int) -> Contrast:
    share, base_share = cases / size, base / base_size
    return Contrast(
        trait,
        cases,
        share,
        base_share,
        share / base_share if base else None,
        effects.ratio_interval(cases, size, base, base_size),
        effects.fisher_greater(cases, size, base, base_size),
    )


def _with_p_value(contrast: Contrast, p_value: float) -> Contrast:
    return Contrast(
        contrast.trait, contrast.cases, contrast.share, contrast.base_share, contrast.lift, contrast.interval, p_value
    )


def _traits_of(reading: Reading) -> list[list[Trait]]:
    """The traits of each run of the sample."""
    runs = reading.sample.runs
    pairs = countable_pairs(runs)
    told = Counter(key for run in runs for key in run.inputs or ())
    usual = {key for key, count in told.items() if count * 2 > len(runs)}
    return [
        [*_of_run(run, reading.marks[run.execution_id]), *_of_input(run, inputs, usual)]
        for run, inputs in zip(runs, pairs, strict=True)
    ]


def _of_run(run: RunRecord, marks: Marks) -> Iterator[Trait]:
    told = {
        "version": run.version,
        "environment": run.environment,
        "trigger_type": run.trigger_type,
        "runtime_mode": run.runtime_mode,
        "framework": run.framework,
        "service_name": marks.service_name,
        "user_id": marks.user_id,
        "session_id": marks.session_id,
        "hour": f"{run.start.hour:02}",
        "weekday": WEEKDAYS[run.start.weekday()],
    }
    yield from ((name, value) for name, value in told.items() if value is not None)
    yield from (("model", model) for model in run.models)


def _of_input(run: RunRecord, pairs: Sequence[Pair], usual: set[str]) -> Iterator[Trait]:
    yield from ((f"{OF_INPUT}{key}", value) for key, value in pairs)
    yield from ((MISSING, key) for key in usual.difference(run.inputs or ()))
