"""What runs may be filtered by: the environments, versions, models and error types that they tell, from the rollups."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.question import HOUR, down_to, up_to
from stepwell_api.times import Window
from stepwell_storage import queries
from stepwell_storage.rollups.figures import ALL_AGENTS

SQL = queries.load("facets")
FACETS: Final = ("environments", "versions", "models", "error_types")


async def read_facets(
    connection: AsyncConnection, workspace_id: UUID, agent_id: str | None, window: Window, limit: int
) -> dict[str, Any]:
    """The `limit` most frequent values of each facet, over the hours that the window touches."""
    start, stop = down_to(window.start, HOUR), up_to(window.stop, HOUR)
    asked = {"workspace_id": workspace_id, "agent_id": agent_id or ALL_AGENTS, "start": start, "stop": stop}
    answer: dict[str, Any] = {"from": start, "to": stop, **{facet: [] for facet in FACETS}}
    for row in await connection.exec_driver_sql(SQL.read_facets, {**asked, "limit": limit}):
        answer[row.facet].append({"value": row.value, "executions": row.executions})
    return answer
