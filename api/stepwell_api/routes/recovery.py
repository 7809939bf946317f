"""``/executions/{execution_id}/recovery``: what to do about a failed run."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from stepwell_api import failure_clusters, recovering, recovery, rollups, step_rows
from stepwell_api.context import Context, Serving, Workspace
from stepwell_api.edges import read_edges
from stepwell_api.encoding import json_response
from stepwell_api.execution_rows import Located
from stepwell_api.insight.contrasts import is_of_input
from stepwell_api.insight.payloads import flat_inputs
from stepwell_api.insight.retryability import Advice, Failure, Tally, advise, goes_away, retryability
from stepwell_api.models.recovery import Recovery
from stepwell_api.parameters import Parameters
from stepwell_api.question import Question
from stepwell_api.recovery import RECOVERABLE, History
from stepwell_api.routes.asking import NOT_FOUND, ExecutionId, make_router
from stepwell_api.routes.executions import read_execution
from stepwell_storage.model import Execution, Placement, Status

router = make_router("executions")

TOLD = ("execution_id", "agent_id", "status", "error_type", "error_message")
Row = dict[str, Any]


@router.get(
    "/executions/{execution_id}/recovery",
    response_model=Recovery,
    responses=NOT_FOUND,
    operation_id="get_execution_recovery",
)
async def get_execution_recovery(
    execution_id: ExecutionId, _: Annotated[Parameters, Query()], workspace_id: Workspace, serving: Serving
) -> Response:
    """Where a run failed, what its last checkpoint saves, what followed such failures before, and what to do.

    Runs that timed out or were cancelled are answered as well; of a run that succeeded or still goes on `action` is
    null, and `reason` says so.
    """
    async with serving.engine.connect() as connection:
        located, row = await read_execution(connection, workspace_id, execution_id)
        runs = await recovering.read_runs(connection, workspace_id, located)
        answer = await answer_about(serving, connection, workspace_id, located, row)
    async with serving.connection("stepwell api recovery") as connection:
        log = await recovering.read_log(connection, row, runs)
    return json_response({**answer, "recoveries": log})


async def answer_about(
    serving: Context, connection: AsyncConnection, workspace_id: UUID, located: Located, row: Row
) -> Row:
    """What is told of a run, without what was done about it."""
    if row["status"] not in RECOVERABLE:
        return _nothing_to_do(row)
    folded = await step_rows.fold_run(connection, workspace_id, located)
    history = await recovery.read_history(connection, workspace_id, row, located, datetime.now(UTC))
    failing = recovery.failing_step(folded) if folded else None
    checkpoint = _checkpoint(row, folded)
    advice = await _advice(serving, connection, workspace_id, row, failing, history, checkpoint)
    tally = history.later_runs + history.attempts
    return {
        **{name: row[name] for name in TOLD},
        "cluster_id": row["error_fingerprint"],
        "failing_step": recovery.describe_step(failing) if failing else None,
        "last_checkpoint": checkpoint,
        "retryability": retryability(tally).value,
        "retry_success_rate": tally.rate,
        "n": tally.n,
        "later_runs": _tally(history.later_runs),
        "later_attempts": _tally(history.attempts),
        "recovered_by": history.recovered_by,
        "action": advice.action,
        "reason": advice.reason,
        "evidence": advice.evidence,
    }


def _nothing_to_do(row: Row) -> Row:
    reason = "The run succeeded." if row["status"] == Status.SUCCESS else "The run still goes on."
    unknown = ("cluster_id", "failing_step", "last_checkpoint", "retry_success_rate", "later_runs", "later_attempts",
               "recovered_by", "action", "evidence", "retryability")  # fmt: skip
    return {**{name: row[name] for name in TOLD}, **dict.fromkeys(unknown), "n": 0, "reason": reason}


def _tally(tally: Tally) -> Row:
    return {"n": tally.n, "succeeded": tally.succeeded}


def _checkpoint(row: Row, folded: Execution | None) -> Row | None:
    """The run's last checkpoint with what it saves."""
    if not row["checkpoints"]:
        return None
    saved = orjson.loads(orjson.dumps(row["checkpoints"][-1]))
    how = "Start the agent with this `state`."
    if saved.get("resume") is not None:
        how = "Have its framework go on from what `resume` names, without a new input."
    told = {name: saved.get(name) for name in ("id", "time", "step_name", "span_id", "state", "resume")}
    return {**told, "how": how, "saves": recovery.saved_by_checkpoint(folded) if folded else None}


async def _advice(
    serving: Context,
    connection: AsyncConnection,
    workspace_id: UUID,
    row: Row,
    failing: Placement | None,
    history: History,
    checkpoint: Row | None,
) -> Advice:
    window = recovery.window_around(row["start_time"])
    question = Question(workspace_id, row["agent_id"], window, (), (), datetime.now(UTC))
    tally = history.later_runs + history.attempts
    failure = Failure(
        status=Status(row["status"]),
        error_type=row["error_type"],
        message=(failing.step.error_message if failing else None) or row["error_message"],
        tally=tally,
        has_checkpoint=checkpoint is not None and bool(checkpoint["saves"]) and checkpoint["saves"]["duration_ms"] > 0,
        failed_after_ms=failing.step.duration_ms if failing else row["duration_ms"],
        usual_p95_ms=await recovery.usual_p95_ms(connection, question, failing.step.step_name) if failing else None,
    )
    if not goes_away(tally):
        contrasts = await _contrasts(serving, connection, question, row)
        failure = replace(failure, contrasts=contrasts)
    return advise(failure)


async def _contrasts(serving: Context, connection: AsyncConnection, question: Question, row: Row) -> list[Row]:
    """What sets such failures apart and is true of this run's input."""
    if row["status"] not in failure_clusters.KINDS:
        return []
    edges = await read_edges(connection, question)
    hours = await rollups.by_hour(connection, question, edges)
    asked = (question.workspace_id, question.agent_id, question.window, (), ())
    kept = await serving.readings.get(connection, asked, question, hours)
    apart = await kept.once("apart", lambda: failure_clusters.apart(kept.reading))
    found = apart.get((Status(row["status"]), row["error_fingerprint"]), ())
    inputs = None if row["input_data"] is None else flat_inputs(orjson.loads(orjson.dumps(row["input_data"])))
    return [contrast.described() for contrast in found if inputs and is_of_input(contrast.trait, inputs)]
