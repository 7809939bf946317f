"""Gives planned runs to the detectors as they would be read from the database."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from bench.planted import AGENT, CHAIN, MODEL, TOOL, Plan, PlannedRun, PlannedStep

from stepwell_api.insight.payloads import flat_inputs, payload_of
from stepwell_api.insight.sample import HourFigures, RunRecord, Sample, StepRecord
from stepwell_storage.fold.path import collapsed
from stepwell_storage.model import Role, Status

ROLES = {MODEL: Role.MODEL, TOOL: Role.TOOL, AGENT: Role.AGENT, CHAIN: Role.CHAIN}
OPERATIONS = {MODEL: "chat", TOOL: "execute_tool", AGENT: "invoke_agent", CHAIN: "chain"}
USD_PER_TOKEN = 2e-6


def sample_of(plan: Plan, runs: Sequence[PlannedRun]) -> Sample:
    """All runs as a sample."""
    stop = plan.start + timedelta(days=plan.days)
    return Sample(plan.agent_id, plan.start, stop, len(runs), [_record(run) for run in runs], _hours(runs))


def _hours(runs: Sequence[PlannedRun]) -> list[HourFigures]:
    counts: dict[datetime, Counter[str]] = {}
    for run in runs:
        hour = run.start.replace(minute=0, second=0, microsecond=0)
        counts.setdefault(hour, Counter())[run.status] += 1
    return [
        HourFigures(hour, sum(count.values()), count["success"], count["failed"], count["timeout"])
        for hour, count in sorted(counts.items())
    ]


def _record(run: PlannedRun) -> RunRecord:
    attempts = _attempts(run.steps)
    steps = [_step(step, attempt) for step, attempt in zip(run.steps, attempts, strict=True)]
    prompts = [step.prompt_tokens for step in run.steps if step.prompt_tokens is not None]
    answers = [step.completion_tokens for step in run.steps if step.completion_tokens is not None]
    told = sum(prompts) + sum(answers)
    names = [step.name for step in run.steps[1:] if step.kind != CHAIN]
    return RunRecord(
        execution_id=f"run-{run.number:06d}",
        start=run.start,
        status=Status(run.status),
        duration_ms=run.steps[0].end_ms,
        steps=steps,
        path=collapsed(names),
        version=run.version,
        prompt_tokens=sum(prompts) if prompts else None,
        completion_tokens=sum(answers) if answers else None,
        cost_usd=told * USD_PER_TOKEN if told else None,
        error_type=run.steps[0].error_type,
        error_step_name=run.error_step,
        inputs=flat_inputs(run.steps[0].input),
    )


def _attempts(steps: Sequence[PlannedStep]) -> list[int]:
    """As the fold counts them."""
    latest: dict[tuple[str, str], tuple[PlannedStep, int]] = {}
    found = []
    for step in steps:
        before, attempt = latest.get((step.kind, step.name), (None, 0))
        repeats = before is not None and before.status in ("failed", "timeout") and before.end_ms <= step.start_ms
        found.append(attempt + 1 if repeats else 1)
        latest[step.kind, step.name] = (step, found[-1])
    return found


def _step(step: PlannedStep, attempt: int) -> StepRecord:
    return StepRecord(
        name=step.name,
        role=ROLES[step.kind],
        operation=OPERATIONS[step.kind],
        step_type="api_call" if step.kind == MODEL else "action",
        parent=step.parent,
        start_ms=step.start_ms,
        end_ms=step.end_ms,
        status=Status(step.status),
        attempt=attempt,
        prompt_tokens=step.prompt_tokens,
        completion_tokens=step.completion_tokens,
        cost_usd=None
        if step.prompt_tokens is None
        else (step.prompt_tokens + (step.completion_tokens or 0)) * USD_PER_TOKEN,
        error_type=step.error_type,
        input=payload_of(step.input, with_words=True),
        output=payload_of(step.output, with_words=True),
    )
