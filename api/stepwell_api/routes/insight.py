"""What is found in an agent's runs: patterns, failures and what sets them apart."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from stepwell_api import failure_clusters, patterns, rollups
from stepwell_api.context import Context, Serving, Workspace
from stepwell_api.edges import Edges, read_item_edges
from stepwell_api.encoding import json_response
from stepwell_api.failure_clusters import Cluster
from stepwell_api.insight import decisions
from stepwell_api.insight.cache import Hours, Kept
from stepwell_api.insight.occurrence import Stretches
from stepwell_api.insight.thresholds import limits_of
from stepwell_api.models.failures import FailurePage
from stepwell_api.models.patterns import Patterns
from stepwell_api.pagination import Position, question_of, write_cursor
from stepwell_api.parameters import AnalyticsParameters, FailuresParameters, PatternsParameters
from stepwell_api.question import Question
from stepwell_api.routes.asking import NOT_FOUND, AgentId, make_router, position_of, refuse_unknown, window_of
from stepwell_storage.model import Status
from stepwell_storage.rollups.figures import Kind

router = make_router("insight")

PATTERN_KINDS = (Kind.PATH, Kind.STEP, Kind.ROOT)
"""What paths and bottlenecks are told from."""


@router.get(
    "/agents/{agent_id:any_text}/patterns",
    response_model=Patterns,
    responses=NOT_FOUND,
    operation_id="get_agent_patterns",
)
async def get_agent_patterns(
    agent_id: AgentId,
    parameters: Annotated[PatternsParameters, Query()],
    workspace_id: Workspace,
    serving: Serving,
) -> Response:
    """How the runs of an agent go: by hour of the day, by input, by path, and which steps take the time.

    All of it is exact, save `input_patterns` where `sample.is_exact` is false: of windows with more than 6,000 runs a
    part is read, drawn evenly over time for each status, and counts are estimates.
    """
    question = question_about(workspace_id, agent_id, parameters)
    async with serving.engine.connect() as connection:
        edges = await read_item_edges(connection, question)
        hours = await rollups.by_hour(connection, question, edges)
        if not hours:
            await refuse_unknown(connection, question)
        kept = await read_kept(serving, connection, parameters, question, hours)
        # The one works in a thread while the other waits for the database.
        found, _ = await asyncio.gather(
            suggestions_of(serving, kept), _count(connection, question, edges, hours, parameters.tz, kept)
        )
        suggestions = await decisions.decided(connection, question, found)
    answer = {
        **_window(question),
        "tz": parameters.tz.key,
        "hourly_patterns": kept.counted[parameters.tz.key],
        "input_patterns": await kept.once("inputs", lambda: patterns.input_patterns(kept.reading, found)),
        "sample": patterns.sample_of(kept.reading),
        **kept.counted[Kind],
        "optimization_suggestions": suggestions,
    }
    for name in ("input_patterns", "execution_paths", "bottlenecks"):
        answer[name] = answer[name][: parameters.limit]
    return json_response(answer)


async def _count(
    connection: AsyncConnection, question: Question, edges: Edges, hours: Hours, zone: ZoneInfo, kept: Kept
) -> None:
    """Counts what is exact, where it was not counted yet."""
    if zone.key not in kept.counted:
        kept.counted[zone.key] = await patterns.hourly_patterns(connection, question, hours, zone)
    if Kind not in kept.counted:
        items = [(kind, await rollups.by_item(connection, question, edges, kind)) for kind in PATTERN_KINDS]
        kept.counted[Kind] = patterns.of_items(dict(items), hours)


@router.get(
    "/agents/{agent_id:any_text}/failures",
    response_model=FailurePage,
    responses=NOT_FOUND,
    operation_id="list_agent_failures",
)
async def list_agent_failures(
    agent_id: AgentId,
    parameters: Annotated[FailuresParameters, Query()],
    workspace_id: Workspace,
    serving: Serving,
) -> Response:
    """Failed runs by what went wrong, the most frequent kind first, with what sets them apart from successful ones."""
    asked = question_of(f"failures {agent_id}", parameters)
    after = position_of(asked, parameters, "integer")
    first = 0 if after is None else max(int(after.value or 0), 0) + 1
    question = question_about(workspace_id, agent_id, parameters, after)
    async with serving.engine.connect() as connection:
        edges = await read_item_edges(connection, question)
        hours = await rollups.by_hour(connection, question, edges)
        if not hours:
            await refuse_unknown(connection, question)
        kept = await read_kept(serving, connection, parameters, question, hours)
        page = ("failures", *parameters.status, first, parameters.limit)
        if page not in kept.counted:
            kept.counted[page] = await _clusters(connection, question, edges, hours, parameters, kept, first)
        clusters, items = kept.counted[page]
    last = first + parameters.limit
    more = Position(last - 1, agent_id, question.window) if last < len(clusters) else None
    answer = {
        **_window(question),
        "items": items,
        "next_cursor": write_cursor(asked, more),
        "total": len(clusters),
        "total_executions": sum(totals["executions"] for totals in hours.values()),
        "total_failures": sum(cluster.count for cluster in clusters),
        "sample": patterns.sample_of(kept.reading),
    }
    return json_response(answer)


async def _clusters(
    connection: AsyncConnection,
    question: Question,
    edges: Edges,
    hours: Hours,
    parameters: FailuresParameters,
    kept: Kept,
    first: int,
) -> tuple[list[Cluster], list[dict[str, Any]]]:
    """All clusters, and those of the page as they are told."""
    stretches = Stretches.of(question.window)
    statuses = [Status(word) for word in parameters.status] or [Status.FAILED]
    clusters = await failure_clusters.read_clusters(connection, question, edges, stretches, statuses)
    runs = await failure_clusters.read_runs_by_stretch(connection, question, hours, stretches)
    page = slice(first, first + parameters.limit)
    shown_ones = clusters[page]
    examples = await failure_clusters.read_examples(connection, question, stretches, shown_ones)
    templates = await failure_clusters.read_templates(connection, question, shown_ones, examples)
    apart = await kept.once("apart", lambda: failure_clusters.apart(kept.reading))
    trends = failure_clusters.trends(clusters, stretches, runs)[page]
    total = sum(cluster.count for cluster in clusters)
    told = zip(shown_ones, trends, examples, templates, strict=True)
    items = [
        {
            **failure_clusters.described(cluster, total, trend, stretches, runs),
            **failure_clusters.exemplified(cluster, stretches, found, template),
            "sets_apart": [contrast.described() for contrast in apart.get((cluster.status, cluster.cluster_id), ())],
        }
        for cluster, trend, found, template in told
    ]
    return clusters, items


async def suggestions_of(serving: Context, kept: Kept) -> list[dict[str, Any]]:
    """The suggestions for what was read, worked out once."""
    # Imported at the first need: the tests' libraries take a while, and not every process that serves is asked.
    from stepwell_api.insight.suggestions import suggest

    limits = limits_of(serving.settings)
    found: list[dict[str, Any]] = await kept.once("suggestions", lambda: suggest(kept.reading.sample, limits))
    return found


def question_about(
    workspace_id: UUID, agent_id: str, parameters: AnalyticsParameters, after: Position | None = None
) -> Question:
    """What is asked, as the rollups take it."""
    window = window_of(parameters, after)
    return Question(workspace_id, agent_id, window, parameters.environment, parameters.version, datetime.now(UTC))


def _window(question: Question) -> dict[str, Any]:
    return {"from": question.window.start, "to": question.window.stop}


async def read_kept(
    serving: Context, connection: AsyncConnection, parameters: AnalyticsParameters, question: Question, hours: Hours
) -> Kept:
    """The reading that the parameters ask for, which the windows "up to now" of several requests share."""
    asked = (
        question.workspace_id,
        question.agent_id,
        parameters.from_,
        parameters.to,
        tuple(sorted(question.environments)),
        tuple(sorted(question.versions)),
    )
    return await serving.readings.get(connection, asked, question, hours)
