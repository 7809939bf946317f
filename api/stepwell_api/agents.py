"""The agents of a workspace with their headline figures."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api import rollups
from stepwell_api.amounts import LARGEST
from stepwell_api.filters import is_one_of
from stepwell_api.pagination import Kind, Position
from stepwell_api.parameters import AgentListParameters, AgentSort
from stepwell_api.question import Question
from stepwell_api.times import Window, to_microseconds
from stepwell_api.totals import Totals
from stepwell_storage.model import Status
from stepwell_storage.rollups.figures import ALL_AGENTS
from stepwell_storage.schema import agent_executions as runs

SORTS: Mapping[str, Kind] = {
    "agent_id": "text",
    "executions": "integer",
    "success_rate": "number",
    "p50_duration_ms": "number",
    "p95_duration_ms": "number",
    "cost_usd": "number",
    "tokens": "integer",
    "last_seen": "time",
    "running": "integer",
}
"""Sort key, which is a field of the answer too → kind of value."""

FINISHED = ("success", "failed", "timeout", "cancelled")
NEVER = datetime.min.replace(tzinfo=UTC)

Agent = dict[str, Any]


async def read_agents(
    connection: AsyncConnection,
    workspace_id: UUID,
    window: Window,
    parameters: AgentListParameters,
    *,
    after: Position | None,
) -> tuple[list[Agent], int, Position | None]:
    """A page of agents, how many there are in all, and the position of the last one where more follow."""
    question = Question(workspace_id, ALL_AGENTS, window, parameters.environment, parameters.version, datetime.now(UTC))
    found = await rollups.by_agent(connection, question)
    running = await _going_on(connection, workspace_id, parameters)
    agents = [
        _agent(agent_id, figures, running.get(agent_id, 0))
        for agent_id, figures in found.items()
        if _is_found(parameters.q, agent_id, figures)
    ]
    ordered = in_order(agents, parameters.sort)
    following = ordered if after is None else [agent for agent in ordered if _is_after(agent, parameters.sort, after)]
    page = following[: parameters.limit]
    more = _position(page[-1], parameters.sort, window) if len(following) > len(page) else None
    return page, len(agents), more


def kind_of(sort: AgentSort) -> Kind:
    """The kind of values that a value of `sort` orders by."""
    return SORTS[sort.removeprefix("-")]


def in_order(agents: Sequence[Agent], sort: AgentSort) -> list[Agent]:
    """By the value, unknown ones last either way, then by id the other way round, as `pagination.Order` does it."""
    name, is_descending = sort.removeprefix("-"), sort.startswith("-")
    by_id = sorted(agents, key=lambda agent: str(agent["agent_id"]), reverse=not is_descending)
    known = [agent for agent in by_id if agent[name] is not None]
    known.sort(key=lambda agent: _comparable(agent[name]), reverse=is_descending)
    return [*known, *(agent for agent in by_id if agent[name] is None)]


def _is_after(agent: Agent, sort: AgentSort, after: Position) -> bool:
    """Whether the agent follows the position in this order."""
    value, is_descending = agent[sort.removeprefix("-")], sort.startswith("-")
    is_next_of_tie = agent["agent_id"] > after.tiebreak if is_descending else agent["agent_id"] < after.tiebreak
    if value is None or after.value is None:
        return value is None and (after.value is not None or bool(is_next_of_tie))
    mine, theirs = _comparable(value), after.value
    if mine == theirs:
        return bool(is_next_of_tie)
    return bool(mine < theirs if is_descending else mine > theirs)


def _position(agent: Agent, sort: AgentSort, window: Window) -> Position:
    value = agent[sort.removeprefix("-")]
    return Position(None if value is None else _comparable(value), agent["agent_id"], window)


def _comparable(value: Any) -> Any:
    """As cursors keep it: times as microseconds."""
    return to_microseconds(value) if isinstance(value, datetime) else value


def _is_found(text: str | None, agent_id: str, figures: Mapping[str | None, Totals]) -> bool:
    """Whether the agent's id or one of its names holds the text, upper and lower case being the same."""
    if text is None:
        return True
    return any(text.lower() in name.lower() for name in (agent_id, *figures) if name is not None)


def _agent(agent_id: str, by_name: Mapping[str | None, Totals], running: int) -> Agent:
    total = Totals.of(by_name.values())
    finished = sum(total[status] for status in FINISHED)
    p50, p95 = total.duration_percentiles((0.5, 0.95))
    prompt = total.known("prompt_tokens", "prompt_known")
    completion = total.known("completion_tokens", "completion_known")
    return {
        "agent_id": agent_id,
        "agent_name": _newest_name(by_name),
        "executions": total["executions"],
        "successful": total["success"],
        **{status: total[status] for status in ("failed", "timeout", "cancelled")},
        "running": running,
        "success_rate": total["success"] / finished if finished else None,
        "avg_duration_ms": total.mean("duration_ms", "duration_count"),
        "p50_duration_ms": p50,
        "p95_duration_ms": p95,
        "cost_usd": total.known("cost_usd", "cost_known"),
        "prompt_tokens": _bounded(prompt),
        "completion_tokens": _bounded(completion),
        "tokens": None if prompt is None and completion is None else _bounded((prompt or 0) + (completion or 0)),
        "last_seen": total.last_seen,
    }


def _newest_name(by_name: Mapping[str | None, Totals]) -> str | None:
    """The name that was told last."""
    named = [(figures.last_seen or NEVER, name) for name, figures in by_name.items() if name is not None]
    return max(named)[1] if named else None


def _bounded(amount: int | None) -> int | None:
    return amount if amount is None else min(amount, LARGEST)


async def _going_on(
    connection: AsyncConnection, workspace_id: UUID, parameters: AgentListParameters
) -> Mapping[str, int]:
    """How many runs of each agent go on now, also those that started before the window; by an index of these alone."""
    statement = (
        select(runs.c.agent_id, func.count())
        .where(
            runs.c.workspace_id == workspace_id,
            runs.c.status.in_((Status.PENDING, Status.RUNNING)),
            runs.c.status == Status.RUNNING,
            *is_one_of(runs.c.environment, parameters.environment),
            *is_one_of(runs.c.version, parameters.version),
        )
        .group_by(runs.c.agent_id)
    )
    return {row[0]: row[1] for row in await connection.execute(statement)}
