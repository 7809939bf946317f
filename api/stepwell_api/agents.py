"""The agents of a workspace with their headline figures."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Double, FromClause, Subquery, Text, cast, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.amounts import TOKENS, total
from stepwell_api.encoding import read_items
from stepwell_api.filters import contains, in_window, is_one_of
from stepwell_api.pagination import Kind, Order, Position
from stepwell_api.parameters import AgentListParameters, AgentSort
from stepwell_api.times import Window
from stepwell_storage.model import Status
from stepwell_storage.schema import agent_executions as runs

SORTS: Mapping[str, tuple[Kind, bool]] = {
    "agent_id": ("text", False),
    "executions": ("integer", False),
    "success_rate": ("number", True),
    "p50_duration_ms": ("number", True),
    "p95_duration_ms": ("number", True),
    "cost_usd": ("number", True),
    "tokens": ("integer", True),
    "last_seen": ("time", False),
    "running": ("integer", False),
}
"""Sort key, which is a column of the answer too → kind of value, whether it may be unknown."""

COUNTED = {
    "successful": Status.SUCCESS,
    "failed": Status.FAILED,
    "timeout": Status.TIMEOUT,
    "cancelled": Status.CANCELLED,
}
FINISHED = tuple(COUNTED.values())


async def read_agents(
    connection: AsyncConnection,
    workspace_id: UUID,
    window: Window,
    parameters: AgentListParameters,
    *,
    after: Position | None,
) -> tuple[list[dict[str, Any]], int, Position | None]:
    """A page of agents, how many there are in all, and the position of the last one where more follow."""
    agents = _agents(workspace_id, window, parameters)
    order = order_of(parameters.sort, agents)
    counted = select(func.count()).select_from(agents).scalar_subquery()
    statement = select(agents, counted.label("total")).order_by(*order.clauses()).limit(parameters.limit + 1)
    if after is not None:
        statement = statement.where(order.after(after))
    items = read_items(await connection.execute(statement))
    total = [item.pop("total") for item in items]
    more = None
    if len(items) > parameters.limit:
        last = items[parameters.limit - 1]
        more = order.position(last[parameters.sort.removeprefix("-")], last["agent_id"], window)
    return items[: parameters.limit], total[0] if total else 0, more


def kind_of(sort: AgentSort) -> Kind:
    """The kind of values that a value of `sort` orders by."""
    return SORTS[sort.removeprefix("-")][0]


def order_of(sort: AgentSort, agents: FromClause) -> Order:
    """The order that a value of `sort` asks for."""
    name = sort.removeprefix("-")
    kind, is_nullable = SORTS[name]
    return Order(agents.c[name], kind, is_nullable, sort.startswith("-"), agents.c.agent_id)


def _agents(workspace_id: UUID, window: Window, parameters: AgentListParameters) -> CTE:
    """One row for each agent; a CTE that is used twice, so it is computed once."""
    figures = _figures(workspace_id, window, parameters)
    going_on = _going_on(workspace_id, parameters)
    success_rate = cast(figures.c.successful, Double) / func.nullif(figures.c.finished, 0)
    return (
        select(
            *(column for column in figures.c if column.name != "finished"),
            func.coalesce(going_on.c.running, 0).label("running"),
            success_rate.label("success_rate"),
        )
        .select_from(figures.outerjoin(going_on, going_on.c.agent_id == figures.c.agent_id))
        .cte("agents")
    )


def _figures(workspace_id: UUID, window: Window, parameters: AgentListParameters) -> Subquery:
    """What the runs of the window tell of each agent."""
    statement = (
        select(
            runs.c.agent_id,
            _newest_name().label("agent_name"),
            func.count().label("executions"),
            *(_counted(status).label(name) for name, status in COUNTED.items()),
            func.count().filter(runs.c.status.in_(FINISHED)).label("finished"),
            func.avg(runs.c.duration_ms).label("avg_duration_ms"),
            func.percentile_cont(0.5).within_group(runs.c.duration_ms).label("p50_duration_ms"),
            func.percentile_cont(0.95).within_group(runs.c.duration_ms).label("p95_duration_ms"),
            func.sum(runs.c.cost_usd).label("cost_usd"),
            total(runs.c.prompt_tokens).label("prompt_tokens"),
            total(runs.c.completion_tokens).label("completion_tokens"),
            total(TOKENS).label("tokens"),
            func.max(runs.c.last_activity_at).label("last_seen"),
        )
        .where(*in_window(workspace_id, window), *_chosen(parameters))
        .group_by(runs.c.agent_id)
        .having(*_found(parameters))
    )
    return statement.subquery("figures")


def _going_on(workspace_id: UUID, parameters: AgentListParameters) -> Subquery:
    """How many runs of each agent go on now, also those that started before the window."""
    return (
        select(runs.c.agent_id, func.count().label("running"))
        .where(runs.c.workspace_id == workspace_id, runs.c.status == Status.RUNNING, *_chosen(parameters))
        .group_by(runs.c.agent_id)
        .subquery("going_on")
    )


def _chosen(parameters: AgentListParameters) -> Iterator[ColumnElement[bool]]:
    yield from is_one_of(runs.c.environment, parameters.environment)
    yield from is_one_of(runs.c.version, parameters.version)


def _found(parameters: AgentListParameters) -> Iterator[ColumnElement[bool]]:
    """The search, on agents and not on runs: all runs of an agent count, whichever of them holds the name."""
    if parameters.q is not None:
        yield or_(contains(runs.c.agent_id, parameters.q), func.bool_or(contains(runs.c.agent_name, parameters.q)))


def _counted(status: Status) -> ColumnElement[int]:
    return func.count().filter(runs.c.status == status)


def _newest_name() -> ColumnElement[str]:
    """The agent's name in its newest run that tells one."""
    names = func.array_agg(aggregate_order_by(runs.c.agent_name, runs.c.start_time.desc()), type_=ARRAY(Text))
    return names.filter(runs.c.agent_name.is_not(None))[1]
