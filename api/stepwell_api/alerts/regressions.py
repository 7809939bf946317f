"""`regression`: runs that got slower or fail more since a version or a point in time, as suggestions tell it.

The tests are those of `/suggestions`, over a week and a bounded sample of its runs, for one agent or the busiest ones.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.alerts.messages import Sighting, links
from stepwell_api.alerts.rules import Rule
from stepwell_api.question import Question
from stepwell_api.times import Window
from stepwell_storage import queries
from stepwell_storage.database import make_engine

SQL = queries.load("alerts")

WINDOW: Final = timedelta(days=7)
MOST_AGENTS: Final = 20
KINDS: Final = {"duration": "latency_regression", "failures": "failure_regression"}


async def see(connection: psycopg.AsyncConnection[Any], database_url: str, rule: Rule, now: datetime) -> list[Sighting]:
    """The regressions that hold now."""
    agents = [rule.agent_id] if rule.agent_id else await _busiest(connection, rule, now)
    async with _reading(database_url) as reading:
        return [found for agent in agents for found in await _of_agent(reading, rule, agent, now, now)]


async def see_days(database_url: str, rule: Rule, days: Sequence[datetime], agents: Sequence[str]) -> list[Sighting]:
    """What would have been seen at the end of each of some days one after the other; alike ones follow each other."""
    found: dict[str, list[Sighting]] = {}
    async with _reading(database_url) as reading:
        for day in days:
            seen = [one for agent in agents for one in await _of_agent(reading, rule, agent, day, day)]
            for one in seen:
                known = found.setdefault(one.subject, [])
                if known and known[-1].ended_at is None:
                    known[-1] = replace(one, fired_at=known[-1].fired_at)
                else:
                    known.append(one)
            for subject in found.keys() - {one.subject for one in seen}:
                if found[subject][-1].ended_at is None:
                    found[subject][-1] = replace(found[subject][-1], ended_at=day)
    return sorted((one for group in found.values() for one in group), key=lambda one: (one.fired_at, one.subject))


async def _busiest(connection: psycopg.AsyncConnection[Any], rule: Rule, now: datetime) -> list[str]:
    parameters = {"workspace_id": rule.workspace_id, "since": now - WINDOW, "limit": MOST_AGENTS}
    return [agent for (agent,) in await (await connection.execute(SQL.busiest_agents, parameters)).fetchall()]


@asynccontextmanager
async def _reading(database_url: str) -> AsyncIterator[AsyncConnection]:
    engine = make_engine(database_url, application_name="stepwell alerts")
    try:
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            yield connection
    finally:
        await engine.dispose()


async def _of_agent(
    connection: AsyncConnection, rule: Rule, agent_id: str, stop: datetime, now: datetime
) -> list[Sighting]:
    # Imported at the first need: few workers have such a rule, and the tests' libraries take room.
    from stepwell_api import rollups
    from stepwell_api.edges import read_edges
    from stepwell_api.insight.reading import read_sample
    from stepwell_api.insight.suggestions import suggest

    environments = (rule.environment,) if rule.environment else ()
    question = Question(rule.workspace_id, agent_id, Window(stop - WINDOW, stop), environments, (), now)
    hours = await rollups.by_hour(connection, question, await read_edges(connection, question))
    reading = await read_sample(connection, question, hours, with_steps=False)
    suggestions = await asyncio.to_thread(suggest, reading.sample)
    wanted = {KINDS[name] for name in rule.condition["of"]}
    return [_sighting(rule, agent_id, found, stop) for found in suggestions if found["kind"] in wanted]


def _sighting(rule: Rule, agent_id: str, found: Mapping[str, Any], stop: datetime) -> Sighting:
    since = datetime.fromisoformat(found["target"]["since"])
    told = links(agent_id, rule.environment, stop - WINDOW, stop, "suggestions")
    return Sighting(
        subject=f"{agent_id}|{found['id']}",
        agent_id=agent_id,
        holds_since=since,
        fired_at=stop,
        ended_at=None,
        title=f"{agent_id}: {found['title']}",
        detail=found["detail"],
        evidence={
            "kind": found["kind"],
            **found["target"],
            **{name: value for name, value in found["evidence"].items() if name not in ("window", "check")},
            "suggestion_id": found["id"],
            "href": found["evidence"]["check"],
            "dashboard": told["dashboard"],
        },
    )
