"""``/agents`` and the analytics of one agent or of all."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from stepwell_api import agents, analytics
from stepwell_api.context import Context, Serving, Workspace
from stepwell_api.encoding import json_response
from stepwell_api.models.analytics import AgentPage, Analytics
from stepwell_api.pagination import question_of, write_cursor
from stepwell_api.parameters import AgentListParameters, AnalyticsParameters
from stepwell_api.problems import not_found, shown
from stepwell_api.routes.asking import NOT_FOUND, AgentId, make_router, position_of, window_of

router = make_router("agents")


@router.get("/agents", response_model=AgentPage, operation_id="list_agents")
async def list_agents(
    parameters: Annotated[AgentListParameters, Query()], workspace_id: Workspace, serving: Serving
) -> Response:
    """The agents with runs that started in the window, the busiest first unless `sort` says otherwise."""
    question = question_of("agents", parameters)
    after = position_of(question, parameters, agents.kind_of(parameters.sort))
    window = window_of(parameters, after)
    async with serving.engine.connect() as connection:
        items, total, more = await agents.read_agents(connection, workspace_id, window, parameters, after=after)
    return json_response({"items": items, "next_cursor": write_cursor(question, more), "total": total})


@router.get(
    "/agents/{agent_id:any_text}/analytics",
    response_model=Analytics,
    responses=NOT_FOUND,
    operation_id="get_agent_analytics",
)
async def get_agent_analytics(
    agent_id: AgentId,
    parameters: Annotated[AnalyticsParameters, Query()],
    workspace_id: Workspace,
    serving: Serving,
) -> Response:
    """All figures of one agent over the runs that started in the window.

    `success_rate`, here and in `execution_patterns`, is in percent and of all runs, those still running included.
    """
    return json_response(await _analyze(serving, workspace_id, parameters, agent_id))


@router.get("/analytics", response_model=Analytics, operation_id="get_analytics")
async def get_analytics(
    parameters: Annotated[AnalyticsParameters, Query()], workspace_id: Workspace, serving: Serving
) -> Response:
    """The same figures over all agents of the workspace."""
    return json_response(await _analyze(serving, workspace_id, parameters, None))


async def _analyze(
    serving: Context, workspace_id: UUID, parameters: AnalyticsParameters, agent_id: str | None
) -> dict[str, Any]:
    window = window_of(parameters)
    async with serving.engine.connect() as connection:
        figures = await analytics.analyze(connection, workspace_id, window, parameters, agent_id=agent_id)
        is_empty = figures["statistics"]["total_executions"] == 0
        if agent_id is not None and is_empty and not await analytics.has_agent(connection, workspace_id, agent_id):
            raise not_found(f"No run of an agent with the id {shown(agent_id)} was ever seen.")
    return figures
