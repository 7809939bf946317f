"""What was counted of a stored execution: its columns, and what the column ``figures`` keeps beside them.

Whatever takes a run away or changes it takes away exactly what is noted here, whichever version had counted it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from stepwell_storage.model import Status
from stepwell_storage.rollups.figures import Run
from stepwell_storage.rollups.parts import dump_parts, load_parts
from stepwell_storage.times import to_ns


def figures_json(run: Run) -> str:
    """The column ``figures``: JSON's null there means that the run was never counted."""
    return f'{{"status":"{run.status}","parts":{dump_parts(run.parts)}}}'


def run_of_row(row: Sequence[Any]) -> Run | None:
    """The run as it was counted, from the columns that ``delete_executions`` gives; ``None`` if it never was."""
    (workspace_id, agent_id, environment, version, start_time, last_activity_at, duration_ms, path, error_type,
     error_step_name, error_fingerprint, prompt_tokens, completion_tokens, cost_usd, credits_, api_calls, memory_mb,
     steps_total, agent_name, figures) = row  # fmt: skip
    if figures is None:
        return None
    counted: Mapping[str, Any] = figures
    return Run(
        workspace_id=workspace_id, agent_id=agent_id, agent_name=agent_name, environment=environment, version=version,
        start_ns=to_ns(start_time), last_activity_ns=to_ns(last_activity_at), status=Status(counted["status"]),
        duration_ms=duration_ms, path=path, error_type=error_type, error_step_name=error_step_name,
        error_fingerprint=error_fingerprint, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens,
        cost_usd=cost_usd, credits=credits_, api_calls=api_calls, memory_mb=memory_mb, steps_total=steps_total,
        parts=load_parts(counted["parts"]),
    )  # fmt: skip
