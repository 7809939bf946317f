"""Two sides of an agent's runs: versions, environments, models or windows of time.

Versions, environments and windows are read from rollups, all of them exact; tokens, cost and steps of single runs from
a bounded number of runs of each side (`insight.reading`). A model is known to runs alone, so that such a side is made
of those that were read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api import rollups
from stepwell_api.edges import Edges, read_item_edges, told
from stepwell_api.insight import differences
from stepwell_api.insight.cache import ReadingCache
from stepwell_api.insight.differences import Difference, Values
from stepwell_api.insight.reading import Reading
from stepwell_api.insight.sample import RunRecord, StepRecord
from stepwell_api.question import Question
from stepwell_api.totals import Totals
from stepwell_storage.model import Status
from stepwell_storage.rollups.figures import Figures, Kind

FINISHED: Final = (Status.SUCCESS, Status.FAILED, Status.TIMEOUT, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Side:
    """The runs of one side."""

    question: Question
    reading: Reading
    runs: Sequence[RunRecord]
    """Those that were read, each as likely as any other."""
    totals: Totals
    """Of all runs; of the runs that were read, for a model."""
    paths: Mapping[str, Totals]
    steps: Mapping[str, Totals]
    executions: int
    """All of them; an estimate for a model where not all runs were read."""
    runs_with_steps: int
    """How many runs the steps are those of."""


async def read_side(connection: AsyncConnection, readings: ReadingCache, question: Question, model: str | None) -> Side:
    """Reads the runs that the question is about; of these only those that called the model, where one is given."""
    edges = await read_item_edges(connection, question)
    hours = await rollups.by_hour(connection, question, edges)
    asked = (question.workspace_id, question.agent_id, question.window, question.environments, question.versions)
    reading = (await readings.get(connection, asked, question, hours, with_steps=model is not None)).reading
    if model is not None:
        return _of_model(question, reading, model)
    runs, _ = equally_likely(reading.sample.runs)
    paths = await rollups.by_item(connection, question, edges, Kind.PATH)
    return Side(
        question,
        reading,
        runs,
        Totals.of(hours.values()),
        {item.name: totals for item, totals in paths.items()},
        await _by_step_name(connection, question, edges),
        reading.sample.executions,
        reading.sample.executions,
    )


async def _by_step_name(connection: AsyncConnection, question: Question, edges: Edges) -> dict[str, Totals]:
    found: dict[str, list[Totals]] = {}
    for item, totals in (await rollups.by_item(connection, question, edges, Kind.STEP)).items():
        found.setdefault(item.name, []).append(totals)
    return {name: Totals.of(parts) for name, parts in found.items()}


def equally_likely(runs: Sequence[RunRecord]) -> tuple[list[RunRecord], float]:
    """Of runs that were drawn by status so many that each stands for as many runs of the window, and for how many."""
    weight = max((run.weight for run in runs), default=1.0)
    by_status: dict[Status, list[RunRecord]] = {}
    for run in runs:
        by_status.setdefault(run.status, []).append(run)
    return [run for part in by_status.values() for run in _thinned(part, part[0].weight / weight)], weight


def _thinned(runs: Sequence[RunRecord], share: float) -> Iterable[RunRecord]:
    """That share of the runs, evenly over their order."""
    count = round(len(runs) * share)
    return (runs[int((at + 0.5) * len(runs) / count)] for at in range(count))


def _of_model(question: Question, reading: Reading, model: str) -> Side:
    drawn, weight = equally_likely(reading.sample.runs)
    runs = [run for run in drawn if model in run.models]
    paths: dict[str, list[RunRecord]] = {}
    for run in runs:
        paths.setdefault(run.path, []).append(run)
    return Side(
        question,
        reading,
        runs,
        _counted(runs),
        {path: _counted(part) for path, part in paths.items()},
        _steps_of(runs),
        round(len(runs) * weight),
        sum(bool(run.steps) for run in runs),
    )


def _counted(runs: Iterable[RunRecord]) -> Totals:
    """The figures of runs that were read, each counted once."""
    figures = Figures()
    for run in runs:
        figures.take_status(run.status)
        figures.count("executions", 1)
        figures.take_duration(run.duration_ms)
    return told(figures)


def _steps_of(runs: Iterable[RunRecord]) -> dict[str, Totals]:
    """The figures of steps below the top one by name, second reports of a call left out."""
    found: dict[str, Figures] = {}
    for run in runs:
        seen = set()
        for step in _below_top(run.steps):
            figures = found.setdefault(step.name, Figures())
            figures.take_status(step.status)
            figures.take_duration(step.duration_ms)
            figures.count("executions", step.name not in seen)
            seen.add(step.name)
    return {name: told(figures) for name, figures in found.items()}


def _below_top(steps: Sequence[StepRecord]) -> Iterable[StepRecord]:
    return (step for step in steps if step.parent >= 0 and not step.is_duplicate)


def figures_of(a: Side, b: Side) -> list[Difference]:
    """Durations, rates, tokens, cost and steps of whole runs."""
    durations = [side.totals.durations for side in (a, b)]
    return differences.corrected(
        [
            differences.of_means("avg_duration", *(Values.of_durations(side.totals) for side in (a, b))),
            *(
                differences.of_quantiles(name, share, *durations)
                for name, share in (("median_duration", 0.5), ("p95_duration", 0.95), ("p99_duration", 0.99))
            ),
            *(_of_status(f"{name}_rate", status, a, b) for name, status in _RATES),
            *(differences.of_means(name, _values(a, name), _values(b, name)) for name in _OF_RUNS),
        ]
    )


_RATES: Final = (("failure", Status.FAILED), ("timeout", Status.TIMEOUT), ("success", Status.SUCCESS))
_OF_RUNS: Final = ("tokens", "prompt_tokens", "completion_tokens", "cost_usd", "steps_total")


def _of_status(name: str, status: Status, a: Side, b: Side) -> Difference:
    """Of the share of finished runs that ended so."""
    hits, sizes = [], []
    for side in (a, b):
        sizes.append(sum(side.totals[ending] for ending in FINISHED))
        hits.append(side.totals[status])
    return differences.of_rates(name, hits[0], sizes[0], hits[1], sizes[1])


def _values(side: Side, name: str) -> Values:
    """A figure of single runs: of those that tell it."""
    weights: dict[float, float] = {}
    for run in side.runs:
        value = side.reading.marks[run.execution_id].steps_total if name == "steps_total" else getattr(run, name)
        if value is not None:
            weights[float(value)] = weights.get(float(value), 0.0) + 1.0
    return Values.of_weights(weights)


def steps_of(a: Side, b: Side, limit: int) -> list[dict[str, Any]]:
    """Durations and failure rates of the steps, those that differ most surely first."""
    names = sorted({*a.steps, *b.steps})
    found = [found for name in names for found in _of_step(name, a, b)]
    tested = differences.corrected(found)
    described = [
        {
            "step_name": name,
            "calls_per_execution": [_per_run(side, name) for side in (a, b)],
            "figures": [difference.described() for difference in tested[at * 2 : at * 2 + 2]],
        }
        for at, name in enumerate(names)
    ]
    return sorted(described, key=_surest)[:limit]


def _of_step(name: str, a: Side, b: Side) -> list[Difference]:
    totals = [side.steps.get(name, Totals()) for side in (a, b)]
    calls = [sum(part[status] for status in FINISHED) for part in totals]
    return [
        differences.of_means("avg_duration", *(Values.of_durations(part) for part in totals)),
        differences.of_rates("failure_rate", totals[0]["failed"], calls[0], totals[1]["failed"], calls[1]),
    ]


def _per_run(side: Side, name: str) -> float | None:
    totals, runs = side.steps.get(name), side.runs_with_steps
    return sum(totals[status] for status in Status) / runs if totals is not None and runs else None


def _surest(step: Mapping[str, Any]) -> tuple[float, str]:
    known = [figure["p_value"] for figure in step["figures"] if figure["p_value"] is not None]
    return min(known, default=2.0), step["step_name"]


def paths_of(a: Side, b: Side, limit: int) -> list[dict[str, Any]]:
    """The share of the runs that took each path, those that differ most surely first."""
    names = sorted({*a.paths, *b.paths})
    whole = [side.totals["executions"] for side in (a, b)]
    taken = [[side.paths[name]["executions"] if name in side.paths else 0 for side in (a, b)] for name in names]
    found = [differences.of_rates("share", hits[0], whole[0], hits[1], whole[1]) for hits in taken]
    tested = differences.corrected(found)
    described = [
        {"execution_path": name, **difference.described()} for name, difference in zip(names, tested, strict=True)
    ]
    described.sort(key=lambda path: (2.0 if path["p_value"] is None else path["p_value"], path["execution_path"]))
    return described[:limit]
