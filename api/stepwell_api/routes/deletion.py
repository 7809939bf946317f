"""Deleting a run, or an agent with all of its runs."""

from typing import Annotated

from fastapi import Query

from stepwell_api.context import Administrator, Serving
from stepwell_api.models.deletion import Deletion
from stepwell_api.parameters import Parameters
from stepwell_api.problems import not_found, shown
from stepwell_api.routes.asking import NOT_FOUND, AgentId, ExecutionId, make_router
from stepwell_storage import audit
from stepwell_storage.audit import Action
from stepwell_storage.deletion import runs
from stepwell_storage.deletion.rows import Deleted

router = make_router("deletion")

APPLICATION = "stepwell api deletion"


@router.delete(
    "/executions/{execution_id}", response_model=Deletion, responses=NOT_FOUND, operation_id="delete_execution"
)
async def delete_execution(
    execution_id: ExecutionId,
    _: Annotated[Parameters, Query()],
    caller: Administrator,
    serving: Serving,
) -> Deletion:
    """Deletes one run with its steps and logs, and takes it out of all figures; other runs of its trace stay.

    A trace id is not taken in its place. Spans of it that come within 30 days are dropped.
    """
    async with serving.connection(APPLICATION) as connection:
        deleted = await runs.delete_execution(connection, caller.workspace_id, execution_id)
        if deleted is None:
            raise not_found(f"There is no execution of the id {shown(execution_id)}.")
        await audit.note(connection, caller.workspace_id, caller.actor, Action.EXECUTION_DELETED, execution_id)
    return _answer(deleted)


@router.delete("/agents/{agent_id:any_text}", response_model=Deletion, responses=NOT_FOUND, operation_id="delete_agent")
async def delete_agent(
    agent_id: AgentId, _: Annotated[Parameters, Query()], caller: Administrator, serving: Serving
) -> Deletion:
    """Deletes all runs of an agent, and what figures hold of runs that are gone already.

    Runs that start later are taken in as ever.
    """
    async with serving.connection(APPLICATION) as connection:
        deleted = await runs.delete_agent(connection, caller.workspace_id, agent_id)
        if deleted is None:
            raise not_found(f"There is no run of an agent with the id {shown(agent_id)}.")
        await audit.note(connection, caller.workspace_id, caller.actor, Action.AGENT_DELETED, agent_id)
    return _answer(deleted)


def _answer(deleted: Deleted) -> Deletion:
    return Deletion(
        executions=deleted.executions,
        steps=deleted.steps,
        log_records=deleted.log_records,
        size_bytes=deleted.size_bytes,
    )
