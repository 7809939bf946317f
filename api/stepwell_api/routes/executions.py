"""``/executions``: lists of runs, single runs, and the steps of one."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from stepwell_api import execution_rows, recovering, run_steps, step_rows
from stepwell_api.context import Serving, Workspace
from stepwell_api.encoding import json_response, without_waiting
from stepwell_api.execution_rows import COUNTED_EXACTLY, Located
from stepwell_api.graph import execution_graph
from stepwell_api.models.executions import Execution, ExecutionPage, StepPage
from stepwell_api.models.timeline import Timeline
from stepwell_api.models.transcript import Transcript
from stepwell_api.pagination import Position, question_of, write_cursor
from stepwell_api.parameters import (
    ExecutionListParameters,
    ExecutionParameters,
    Parameters,
    StepListParameters,
)
from stepwell_api.problems import not_found, shown
from stepwell_api.routes.asking import NOT_FOUND, PREFIX, ExecutionId, make_router, position_of, window_of
from stepwell_api.run_steps import RunStep
from stepwell_api.timeline import timeline_of
from stepwell_api.transcript import reading as transcript

router = make_router("executions")


@router.get("/executions", response_model=ExecutionPage, operation_id="list_executions")
async def list_executions(
    parameters: Annotated[ExecutionListParameters, Query()], workspace_id: Workspace, serving: Serving
) -> Response:
    """Agent runs that started in the window, the newest first unless `sort` says otherwise.

    Repeating a filter widens it, several filters narrow each other. `input_data`, `output_data`, `checkpoints` and
    `execution_graph` are left out for their size; `GET /executions/{execution_id}` has them.
    """
    order = execution_rows.order_of(parameters.sort)
    question = question_of("executions", parameters)
    after = position_of(question, parameters, order.kind)
    window = window_of(parameters, after)
    async with serving.engine.connect() as connection:
        since = await execution_rows.search_start(connection, workspace_id, window, parameters)
        items, more = await execution_rows.read_page(
            connection, workspace_id, window, parameters, order=order, after=after, limit=parameters.limit, since=since
        )
        if after is None and more is None:
            total = len(items)
        else:
            total = await execution_rows.count(connection, workspace_id, window, parameters, since)
    counted = {"total": total, "total_at_least": None}
    if total > COUNTED_EXACTLY:
        counted = {"total": None, "total_at_least": COUNTED_EXACTLY}
    answer = {"items": items, "next_cursor": write_cursor(question, more), **counted, "search_complete": since is None}
    return json_response(answer)


@router.get("/executions/{execution_id}", response_model=Execution, responses=NOT_FOUND, operation_id="get_execution")
async def get_execution(
    execution_id: ExecutionId,
    parameters: Annotated[ExecutionParameters, Query()],
    workspace_id: Workspace,
    serving: Serving,
) -> Response:
    """One run with its input, output, checkpoints, its steps as a graph, and the other runs of its trace."""
    async with serving.engine.connect() as connection:
        located, row = await read_execution(connection, workspace_id, execution_id)
        steps = await run_steps.read_run(connection, workspace_id, located) if parameters.graph else []
        siblings = await execution_rows.read_siblings(connection, workspace_id, located)
        origin = await recovering.read_origin(connection, workspace_id, located)
        runs = await recovering.read_runs(connection, workspace_id, located)
        row["payload_expired"] = await execution_rows.has_lost_payload(connection, workspace_id, located)
    row["siblings"], row["recovery_runs"] = _linked(siblings), _linked(runs)
    row["recovers"] = origin.execution_id if origin else None
    return await without_waiting(len(steps), _run_response, row, steps if parameters.graph else None)


def _linked(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**run, "href": f"{PREFIX}/executions/{run['execution_id']}"} for run in runs]


def _run_response(row: dict[str, Any], steps: Sequence[RunStep] | None) -> Response:
    graph = None if steps is None else execution_graph(steps, row["path"])
    return json_response({**row, "execution_graph": graph})


@router.get(
    "/executions/{execution_id}/timeline",
    response_model=Timeline,
    responses=NOT_FOUND,
    operation_id="get_execution_timeline",
)
async def get_execution_timeline(
    execution_id: ExecutionId, _: Annotated[Parameters, Query()], workspace_id: Workspace, serving: Serving
) -> Response:
    """All steps of one run by columns: what a chart of many thousand steps needs, without what they carried."""
    async with serving.engine.connect() as connection:
        located, row = await read_execution(connection, workspace_id, execution_id)
        steps = await run_steps.read_run(connection, workspace_id, located)
    return await without_waiting(len(steps), _timeline_response, row, steps)


def _timeline_response(row: dict[str, Any], steps: Sequence[RunStep]) -> Response:
    named = {name: row[name] for name in ("execution_id", "updated_at")}
    return json_response({**named, **timeline_of(steps, row["start_time"])})


@router.get(
    "/executions/{execution_id}/transcript",
    response_model=Transcript,
    responses=NOT_FOUND,
    operation_id="get_execution_transcript",
)
async def get_execution_transcript(
    execution_id: ExecutionId,
    parameters: Annotated[StepListParameters, Query()],
    workspace_id: Workspace,
    serving: Serving,
) -> Response:
    """One run as a conversation: messages, reasoning, tool calls and results, a page of steps at a time."""
    question = question_of(f"transcript {execution_id}", parameters)
    after = position_of(question, parameters, "integer")
    first = parameters.first if after is None else max(int(after.value or 0), 0) + 1
    async with serving.engine.connect() as connection:
        located = await _locate(connection, workspace_id, execution_id)
        items, total = await transcript.read_page(
            connection, workspace_id, located, first=first, limit=parameters.limit
        )
    last = first + parameters.limit
    more = Position(last - 1, located.execution_id, None) if last < total else None
    return json_response({"items": items, "next_cursor": write_cursor(question, more), "total": total})


@router.get(
    "/executions/{execution_id}/steps",
    response_model=StepPage,
    responses=NOT_FOUND,
    operation_id="list_execution_steps",
)
async def list_execution_steps(
    execution_id: ExecutionId,
    parameters: Annotated[StepListParameters, Query()],
    workspace_id: Workspace,
    serving: Serving,
) -> Response:
    """The steps of one run in order of `step_index`, with their inputs and outputs."""
    question = question_of(f"steps {execution_id}", parameters)
    after = position_of(question, parameters, "integer")
    first = parameters.first if after is None else max(int(after.value or 0), 0) + 1
    async with serving.engine.connect() as connection:
        located = await _locate(connection, workspace_id, execution_id)
        page = await step_rows.read_page(connection, workspace_id, located, first=first, limit=parameters.limit)
    last = first + parameters.limit
    more = Position(last - 1, located.execution_id, None) if last < page.total else None
    return json_response({"items": page.items, "next_cursor": write_cursor(question, more), "total": page.total})


async def _locate(connection: AsyncConnection, workspace_id: UUID, execution_id: str) -> Located:
    located = await execution_rows.locate(connection, workspace_id, execution_id)
    if located is None:
        raise not_found(f"There is no execution and no trace with an execution of the id {shown(execution_id)}.")
    return located


async def read_execution(
    connection: AsyncConnection, workspace_id: UUID, execution_id: str
) -> tuple[Located, dict[str, Any]]:
    """Where the run stands, and its whole row.

    Raises:
        ProblemError: there is none of this id.
    """
    located = await _locate(connection, workspace_id, execution_id)
    row = await execution_rows.read_one(connection, workspace_id, located)
    if row is None:
        # Its start time moved between the two questions; the second time it stands still, or it is gone.
        located = await _locate(connection, workspace_id, execution_id)
        row = await execution_rows.read_one(connection, workspace_id, located)
    if row is None:
        raise not_found(f"The execution {shown(execution_id)} is being written anew; ask again.")
    return located, row
