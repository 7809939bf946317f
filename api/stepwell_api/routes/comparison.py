"""``/agents/{agent_id}/compare``: two versions, environments, models, windows or executions side by side."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from stepwell_api import comparison, step_rows
from stepwell_api.comparison import Side
from stepwell_api.context import Context, Serving, Workspace
from stepwell_api.encoding import json_response
from stepwell_api.insight.differences import Difference
from stepwell_api.insight.divergence import figures_of_runs, first_divergence
from stepwell_api.models.comparison import Comparison
from stepwell_api.parameters import ComparisonParameters
from stepwell_api.problems import invalid_parameter, not_found, shown
from stepwell_api.question import Question
from stepwell_api.routes.asking import NOT_FOUND, AgentId, make_router, refuse_unknown, window_of
from stepwell_api.routes.executions import read_execution
from stepwell_api.times import Window, parse_time
from stepwell_storage.model import Execution

router = make_router("insight")

KINDS: Final = ("version", "environment", "model", "window", "execution")
Asked = tuple[str, str]
"""Kind and value of a side."""


@router.get(
    "/agents/{agent_id:any_text}/compare",
    response_model=Comparison,
    responses=NOT_FOUND,
    operation_id="compare_agent",
)
async def compare_agent(
    agent_id: AgentId,
    parameters: Annotated[ComparisonParameters, Query()],
    workspace_id: Workspace,
    serving: Serving,
) -> Response:
    """Two sides of an agent's runs with differences, their intervals, effect sizes and tests.

    A side is `version:1.2` (or `1.2` alone), `environment:staging`, `model:gpt-4o`, `window:FROM/TO` with RFC 3339
    times, or `execution:ID`; other filters hold for both sides.
    """
    asked = side_of(parameters.a), side_of(parameters.b)
    async with serving.engine.connect() as connection:
        if "execution" in (asked[0][0], asked[1][0]):
            return json_response(await _executions(connection, workspace_id, agent_id, asked))
        filters = tuple(parameters.environment), tuple(parameters.version)
        whole = Question(workspace_id, agent_id, window_of(parameters), *filters, datetime.now(UTC))
        named = zip(("a", "b"), asked, strict=True)
        sides = [await _read_side(serving, connection, whole, name, told) for name, told in named]
        if not any(side.executions for side in sides):
            await refuse_unknown(connection, whole)
    return json_response(_compared(asked, sides[0], sides[1], parameters.limit))


def side_of(text: str) -> Asked:
    """Kind and value; what begins with no kind is a version."""
    kind, colon, value = text.partition(":")
    return (kind, value) if colon and kind in KINDS else ("version", text)


async def _read_side(serving: Context, connection: AsyncConnection, whole: Question, name: str, told: Asked) -> Side:
    kind, value = told
    asked = {
        "version": replace(whole, versions=(value,)),
        "environment": replace(whole, environments=(value,)),
        "window": replace(whole, window=_window(name, value)) if kind == "window" else whole,
        "model": whole,
    }
    model = value if kind == "model" else None
    return await comparison.read_side(connection, serving.readings, asked[kind], model)


def _window(name: str, text: str) -> Window:
    try:
        start, stop = map(parse_time, text.split("/"))
    except ValueError:
        start = stop = datetime.min.replace(tzinfo=UTC)
    if start >= stop:
        raise invalid_parameter(name, "Should be window:FROM/TO, two RFC 3339 times with their offsets, FROM before TO")
    return Window(start, stop)


def _compared(asked: tuple[Asked, Asked], a: Side, b: Side, limit: int) -> dict[str, Any]:
    return {
        "a": _side(asked[0], a),
        "b": _side(asked[1], b),
        "figures": [figure.described() for figure in comparison.figures_of(a, b)],
        "steps": comparison.steps_of(a, b, limit),
        "paths": comparison.paths_of(a, b, limit),
        "divergence": None,
    }


def _side(told: Asked, side: Side) -> dict[str, Any]:
    window = side.question.window
    return {
        "kind": told[0],
        "value": told[1],
        "from": window.start,
        "to": window.stop,
        "executions": side.executions,
        "sampled": len(side.runs),
        "is_exact": side.reading.is_exact,
    }


async def _executions(
    connection: AsyncConnection, workspace_id: UUID, agent_id: str, asked: tuple[Asked, Asked]
) -> dict[str, Any]:
    """Two single runs of the agent.

    Raises:
        ProblemError: only one side is an execution; or one is not there, or another agent's.
    """
    for name, (kind, _) in zip(("a", "b"), asked, strict=True):
        if kind != "execution":
            raise invalid_parameter(name, "Should be an execution, as the other side is one")
    runs: list[Execution] = []
    sides = []
    for kind, value in asked:
        located, row = await read_execution(connection, workspace_id, value)
        folded = await step_rows.fold_run(connection, workspace_id, located)
        if folded is None or row["agent_id"] != agent_id:
            raise not_found(f"The agent has no execution {shown(value)} whose steps are kept.")
        runs.append(folded)
        end = row["end_time"] or row["last_activity_at"]
        sides.append({"kind": kind, "value": row["execution_id"], "from": row["start_time"], "to": end})
    counted = {"executions": 1, "sampled": 1, "is_exact": True}
    figures: list[Difference] = figures_of_runs(runs[0], runs[1])
    return {
        "a": {**sides[0], **counted},
        "b": {**sides[1], **counted},
        "figures": [figure.described() for figure in figures],
        "steps": [],
        "paths": [],
        "divergence": first_divergence(runs[0], runs[1]),
    }
