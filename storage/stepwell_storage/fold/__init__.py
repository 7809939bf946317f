"""From a trace's steps to its executions: one pure function, free of I/O, clock and chance.

`tree` orders the steps, `runs` finds the executions, `calls` counts model calls once, `ending` tells how a run ended,
`names`, `path` and `timing` say the rest. The result is the same for every order and repetition of the steps.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from stepwell_storage.fold import calls, checkpoints, ending, names, path, runs, timing, tree
from stepwell_storage.fold.attempts import attempts_of
from stepwell_storage.fold.totals import context_of, credits_of, framework_of, models_of, payload_spans, totals_of
from stepwell_storage.model import Execution, Placement, Role, Status, Step, StepType

__all__ = ["fold_trace"]

_UNFINISHED: Final = frozenset((Status.RUNNING, Status.PENDING))
_OTHER, _API_CALL = Role.OTHER, StepType.API_CALL
"""Members of enumerations are looked up slowly by their class, and here for every step."""


def fold_trace(steps: Iterable[Step], *, credits_per_usd: float | None = None) -> tuple[Execution, ...]:
    """The executions of one trace, by start; empty where nothing in it is an agent's.

    Args:
        steps: all steps of one trace, in any order, with repetitions; the payload fields are not read.
        credits_per_usd: the workspace's rate, by which a run's cost becomes credits where no step states any.
    """
    whole = tree.build(steps)
    ends_ns = timing.last_signs_ns(whole)
    return tuple(_execution(whole, run, ends_ns, credits_per_usd) for run in runs.find(whole))


def _execution(whole: tree.Tree, run: runs.Run, ends_ns: Sequence[int], credits_per_usd: float | None) -> Execution:
    members = [whole.steps[i] for i in run.members]
    top = whole.steps[run.root] if run.root >= 0 else None
    counted = calls.count(whole, run.members)
    end = ending.of_run(whole, run.root, run.members, counted)
    input_span_id, output_span_id = payload_spans(top, members)
    trigger = _trigger(whole, run)
    totals = totals_of([whole.steps[i] for i in run.members if i in counted.counted])
    memory_mb = max((step.memory_mb for step in members if step.memory_mb is not None), default=None)
    return Execution(
        execution_id=_execution_id(members[0].trace_id, top),
        trace_id=members[0].trace_id,
        root_span_id=top.span_id if top else None,
        agent_id=names.agent_id(whole, run.root, run.members),
        agent_name=names.agent_name(whole, run.root, run.members),
        parent_execution_id=None,
        status=end.status,
        start_ns=top.start_ns if top else min(step.start_ns for step in members),
        end_ns=top.end_ns if top else None,
        duration_ms=top.duration_ms if top else None,
        last_activity_ns=max(step.seen_ns or step.end_ns or step.start_ns for step in members),
        error_type=end.error_type,
        error_message=end.error_message,
        error_step_name=end.error_step_name,
        error_fingerprint=end.error_fingerprint,
        **totals,
        credits=credits_of(members, totals["cost_usd"], credits_per_usd),
        memory_mb=memory_mb,
        api_calls=_api_calls(whole, run.members, counted),
        steps_total=len(members),
        steps_completed=len([step for step in members if step.status not in _UNFINISHED]),
        path=_path(whole, run, counted),
        models=models_of([whole.steps[i] for i in run.members if i not in counted.duplicate_of]),
        **context_of([top, *members] if top else members),
        trigger_type=trigger.trigger_type if trigger else None,
        trigger_source_json=trigger.trigger_source_json if trigger else None,
        framework=framework_of(top, members),
        input_span_id=input_span_id,
        output_span_id=output_span_id,
        checkpoints=checkpoints.of_run(members),
        process_key=_process_key(top, members) if memory_mb is None else None,
        placements=_placements(whole, run, _statuses(counted, end), counted, ends_ns),
    )


def _execution_id(trace_id: bytes, top: Step | None) -> str:
    return f"{trace_id.hex()}-{top.span_id.hex()}" if top else trace_id.hex()


def _trigger(whole: tree.Tree, run: runs.Run) -> Step | None:
    """The step that tells what started the run: its top span or one above it, else an agent's step that states it."""
    above = run.root
    while above >= 0:
        if whole.steps[above].trigger_type:
            return whole.steps[above]
        above = whole.parents[above]
    inside = (whole.steps[i] for i in run.members)
    return next((step for step in inside if step.trigger_type and step.role is not _OTHER), None)


def _process_key(top: Step | None, members: Sequence[Step]) -> bytes | None:
    """The process of the top span; of a fragment, the first that a step tells."""
    return next((step.process_key for step in ((top,) if top else members) if step.process_key), None)


def _api_calls(whole: tree.Tree, members: Sequence[int], counted: calls.Calls) -> int:
    """Remote calls, each once: reports of the same call and the HTTP request inside a model call do not count again."""
    remote = {i for i in members if whole.steps[i].step_type is _API_CALL and i not in counted.duplicate_of}
    inside: set[int] = set()
    for i in sorted(members):
        parent = whole.parents[i]
        if parent in inside or (parent >= 0 and whole.steps[parent].step_type is _API_CALL):
            inside.add(i)
    duplicates_kept = set(counted.duplicate_of.values())
    return len(remote - (inside - duplicates_kept))


def _path(whole: tree.Tree, run: runs.Run, counted: calls.Calls) -> str:
    steps = [whole.steps[i] for i in run.members if i != run.root and i not in counted.duplicate_of]
    if not steps and run.root >= 0:
        steps = [whole.steps[run.root]]
    return path.collapsed(path.logical_names(steps))


def _statuses(counted: calls.Calls, end: ending.Ending) -> Mapping[int, Status]:
    """Statuses that differ from what the spans say themselves, by tree index."""
    return counted.worst if end.cut_off is None else {**counted.worst, end.cut_off: Status.CANCELLED}


def _placements(
    whole: tree.Tree, run: runs.Run, statuses: Mapping[int, Status], counted: calls.Calls, ends_ns: Sequence[int]
) -> tuple[Placement, ...]:
    index = {i: at for at, i in enumerate(run.members)}
    attempts = attempts_of(whole, run.members)
    own_ms = timing.self_durations_ms(whole, run.members)
    critical = timing.critical_path(whole, run.members, run.root, ends_ns)
    depths: dict[int, int] = {}
    for i in sorted(run.members):
        depths[i] = depths.get(whole.parents[i], -1) + 1
    placements = []
    for i, at in index.items():
        step, duplicate_of = whole.steps[i], counted.duplicate_of.get(i)
        place = (
            step,
            at,
            index.get(whole.parents[i]),
            depths[i],
            attempts[i],
            statuses.get(i, step.status),
            step.operation if duplicate_of is None else "chain",
            None if duplicate_of is None else index.get(duplicate_of),
            i in counted.counted,
            own_ms[i],
            i in critical,
            critical.get(i, 0),
        )
        # Not by calling `Placement`, which takes twice as long.
        placements.append(Placement._make(place))
    return tuple(placements)
