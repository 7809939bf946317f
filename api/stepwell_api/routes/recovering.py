"""``POST /executions/{execution_id}/recovery``: has the agent's webhook recover a run."""

import math
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from stepwell_api import recovering
from stepwell_api.context import Editor, Serving
from stepwell_api.encoding import json_response
from stepwell_api.execution_rows import Located
from stepwell_api.insight.retryability import Action
from stepwell_api.models.recovery import RecoveryBody, RequestedRecovery
from stepwell_api.parameters import Parameters
from stepwell_api.problems import Problem, ProblemError, invalid_parameter
from stepwell_api.recovering import Wanted
from stepwell_api.recovery import RECOVERABLE
from stepwell_api.routes.asking import NOT_FOUND, ExecutionId, make_router
from stepwell_api.routes.executions import read_execution
from stepwell_api.routes.recovery import Row, answer_about
from stepwell_api.webhooks.outbox import BodyTooLargeError, Budget
from stepwell_storage import audit
from stepwell_storage.audit import Action as AuditAction

router = make_router("executions")

RESPONSES: dict[int | str, dict[str, Any]] = {
    **NOT_FOUND,
    409: {
        "model": Problem,
        "description": "`not_failed`, `no_webhook`, `needs_a_fix`, `no_checkpoint`, `already_recovering`, "
        "`already_recovered` or `recovered_too_often`",
    },
    429: {"model": Problem, "description": "The agent's budget is spent; `Retry-After` tells when to try again"},
}


@router.post(
    "/executions/{execution_id}/recovery",
    response_model=RequestedRecovery,
    status_code=HTTPStatus.ACCEPTED,
    responses=RESPONSES,
    operation_id="recover_execution",
)
async def recover_execution(
    execution_id: ExecutionId,
    body: RecoveryBody,
    _: Annotated[Parameters, Query()],
    caller: Editor,
    serving: Serving,
) -> Response:
    """Has the webhook that is set up for the agent retry a run, or resume it from its last checkpoint.

    A worker calls it; `GET` of the same path tells what became of it. Without `action` it is done as advised there.
    """
    async with serving.engine.connect() as reading:
        located, row = await read_execution(reading, caller.workspace_id, execution_id)
        if row["status"] not in RECOVERABLE:
            raise _conflict("not_failed", "The run did not fail; there is nothing to recover.")
        answer = await answer_about(serving, reading, caller.workspace_id, located, row)
        runs = await recovering.read_runs(reading, caller.workspace_id, located)
        wanted = _wanted(answer, body)
        if not body.force:
            _refuse_recovered(runs, await recovering.chain_length(reading, caller.workspace_id, located))
    async with serving.connection("stepwell api recovery") as connection:
        recovery_id = await _request(connection, row, located, wanted)
        detail = {"recovery_id": recovery_id, "action": wanted.action.value}
        action = AuditAction.EXECUTION_RECOVERED
        await audit.note(connection, caller.workspace_id, caller.actor, action, located.execution_id, detail)
        log = await recovering.read_log(connection, row, runs)
    response = json_response(log[-1])
    response.status_code = HTTPStatus.ACCEPTED
    return response


async def _request(connection: Any, row: Row, located: Located, wanted: Wanted) -> str:
    now = datetime.now(UTC)
    try:
        return await recovering.request(connection, row, located, wanted, now)
    except recovering.NoWebhookError as error:
        detail = "No webhook is set up for this agent's recoveries; POST /api/v1/webhooks sets one up."
        raise _conflict("no_webhook", detail) from error
    except recovering.AlreadyRecoveringError as error:
        raise _conflict("already_recovering", f"{error}.") from error
    except recovering.BudgetSpentError as error:
        raise _spent(error.budget, now) from error
    except BodyTooLargeError as error:
        raise ProblemError(HTTPStatus.CONFLICT, "too_large", f"The webhook cannot be told so much: {error}.") from error


def _wanted(answer: Row, body: RecoveryBody) -> Wanted:
    """What the webhook is to do.

    Raises:
        ProblemError: it cannot be done, or the advice is against it and nobody insists.
    """
    advised = Action(answer["action"])
    action = body.action or advised
    if body.action is not None and body.action not in recovering.POSSIBLE:
        raise invalid_parameter("action", f"Should be one of {', '.join(recovering.POSSIBLE)}: the rest is for people")
    if advised not in recovering.POSSIBLE and not body.force:
        detail = f"The advice is `{advised}`: {answer['reason']} Pass `force` and an `action` to try all the same."
        raise _conflict("needs_a_fix", detail)
    if action not in recovering.POSSIBLE:
        action = Action.RETRY
    checkpoint = answer["last_checkpoint"]
    if action is Action.RESUME and checkpoint is None:
        raise _conflict("no_checkpoint", "The run saved no checkpoint to resume from; use `retry`.")
    is_resumed = action is Action.RESUME
    return Wanted(
        action=action,
        reason=answer["reason"],
        checkpoint=checkpoint if is_resumed else None,
        note=body.note,
        is_forced=body.force,
    )


def _refuse_recovered(runs: list[dict[str, Any]], chain_length: int) -> None:
    """Returns where nothing speaks against one more recovery.

    Raises:
        ProblemError: the run is recovered already, or is itself the last of too many.
    """
    stage = recovering.stage_of_runs([run["status"] for run in runs]) if runs else None
    if stage is recovering.Stage.RECOVERED:
        raise _conflict("already_recovered", "A run that recovers this one succeeded already.")
    if stage is recovering.Stage.RUNNING:
        raise _conflict("already_recovering", "A run that recovers this one goes on just now.")
    if chain_length >= recovering.MAX_CHAIN:
        detail = f"This run is the recovery of a recovery, {chain_length} times over; pass `force` to go on."
        raise _conflict("recovered_too_often", detail)


def _conflict(code: str, detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.CONFLICT, code, detail)


def _spent(budget: Budget, now: datetime) -> ProblemError:
    wait_s = None if budget.frees_at is None else max(math.ceil((budget.frees_at - now).total_seconds()), 1)
    detail = "The webhook's budget for this agent is spent" + (f"; it frees in {wait_s} s." if wait_s else ": it is 0.")
    headers = {"Retry-After": str(wait_s)} if wait_s else {}
    return ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "budget_spent", detail, headers=headers)
