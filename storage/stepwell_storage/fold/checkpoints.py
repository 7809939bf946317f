"""The checkpoints of an execution, each once, with the step in which it was saved.

Most stand alone. Those of a graph are saved when all tasks of a round have ended, and every span in a task tells of it:
the topmost span of each task says whether and when that ended.
"""

from collections.abc import Sequence

from stepwell_storage.model import SavedCheckpoint, Step


def of_run(members: Sequence[Step]) -> tuple[SavedCheckpoint, ...]:
    """By time; `members` are in step order, a parent before its children."""
    found: list[SavedCheckpoint] = []
    rounds: dict[str, dict[str, SavedCheckpoint]] = {}
    for step in members:
        for checkpoint in step.checkpoints:
            saved = SavedCheckpoint(checkpoint, step)
            if checkpoint.task is None:
                found.append(saved)
            else:
                rounds.setdefault(checkpoint.id, {}).setdefault(checkpoint.task, saved)
    ended = [tasks.values() for tasks in rounds.values() if all(task.checkpoint.is_saved for task in tasks.values())]
    found.extend(max(tasks, key=_place) for tasks in ended)
    return tuple(sorted(found, key=_place))


def _place(saved: SavedCheckpoint) -> tuple[int, str, bytes]:
    return saved.checkpoint.time_ns, saved.checkpoint.id, saved.step.span_id
