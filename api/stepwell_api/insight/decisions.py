"""What people decided about suggestions, and what came of those that were done.

A decision keeps the suggestion as it was, so that it can be told when the data no longer shows it, which is what
doing something about it is for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api import rollups
from stepwell_api.insight.finding import State
from stepwell_api.question import Question
from stepwell_api.times import Window
from stepwell_api.totals import Totals
from stepwell_storage import queries

SQL = queries.load("suggestions")

SHORTEST: Final = timedelta(days=1)
LONGEST: Final = timedelta(days=30)
"""Of the time before a suggestion was done that the time after it is compared with."""

SHOWN: Final = (State.OPEN, State.ACCEPTED, State.DONE)
"""What is told unless other states are asked for."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one suggestion."""

    suggestion_id: str
    state: State
    note: str | None
    suggestion: Mapping[str, Any]
    """As it was when it was first decided about."""
    changed_at: datetime


async def read_decisions(connection: AsyncConnection, question: Question) -> Mapping[str, Decision]:
    """All decisions about the agent's suggestions, by the suggestion's id."""
    parameters = {"workspace_id": question.workspace_id, "agent_id": question.agent_id}
    rows = await connection.exec_driver_sql(SQL.read_states, parameters)
    return {
        row.suggestion_id: Decision(
            row.suggestion_id, State(row.state), row.note, orjson.loads(row.suggestion), row.changed_at
        )
        for row in rows
    }


async def decide(
    connection: psycopg.AsyncConnection[Any],
    question: Question,
    suggestion: Mapping[str, Any],
    state: State,
    note: str | None,
) -> None:
    """Notes a decision; the last one holds."""
    parameters = {
        "workspace_id": question.workspace_id,
        "agent_id": question.agent_id,
        "suggestion_id": suggestion["id"],
        "state": state.value,
        "note": note,
        "suggestion": orjson.dumps(suggestion, option=orjson.OPT_UTC_Z).decode(),
    }
    await connection.execute(SQL.decide, parameters)


async def decided(
    connection: AsyncConnection,
    question: Question,
    found: Sequence[Mapping[str, Any]],
    states: Sequence[State] = SHOWN,
    *,
    with_over: bool = False,
) -> list[dict[str, Any]]:
    """The suggestions in these states: those that the data shows now, then those that were decided about before.

    What is open again and the data no longer shows is over; it is told only `with_over`.
    """
    decisions = await read_decisions(connection, question)
    current = {suggestion["id"] for suggestion in found}
    everything = [(suggestion, True) for suggestion in found]
    everything += [(decision.suggestion, False) for key, decision in decisions.items() if key not in current]
    told = []
    for suggestion, is_current in everything:
        decision = decisions.get(suggestion["id"])
        state = decision.state if decision else State.OPEN
        if state in states and (is_current or with_over or state is not State.OPEN):
            told.append({**suggestion, **await _standing(connection, question, decision, is_current=is_current)})
    return told


async def _standing(
    connection: AsyncConnection, question: Question, decision: Decision | None, *, is_current: bool
) -> dict[str, Any]:
    effect = await effect_of(connection, question, decision) if decision and decision.state is State.DONE else None
    return {
        "state": (decision.state if decision else State.OPEN).value,
        "note": decision.note if decision else None,
        "changed_at": decision.changed_at if decision else None,
        "is_current": is_current,
        "effect": effect,
    }


async def effect_of(connection: AsyncConnection, question: Question, decision: Decision) -> dict[str, Any]:
    """The agent's figures since the suggestion was done, beside those of as long a time before."""
    # Imported at the first need, as `suggestions` is.
    from stepwell_api.insight.significance import fisher_greater

    done = decision.changed_at
    length = min(max(question.now - done, SHORTEST), LONGEST)
    before = await rollups.of_runs(connection, replace(question, window=Window(done - length, done)))
    after = await rollups.of_runs(connection, replace(question, window=Window(done, max(question.now, done))))
    (bad, ended), (bad_after, ended_after) = _outcomes(before), _outcomes(after)
    return {
        "before": {"from": done - length, "to": done, **_figures(before)},
        "after": {"from": done, "to": max(question.now, done), **_figures(after)},
        "failure_rate_fell_p_value": fisher_greater(bad, ended, bad_after, ended_after),
    }


def _outcomes(totals: Totals) -> tuple[int, int]:
    """(failed or timed out, ended)."""
    bad = totals["failed"] + totals["timeout"]
    return bad, bad + totals["success"]


def _figures(totals: Totals) -> dict[str, Any]:
    bad, ended = _outcomes(totals)
    median_ms, p95_ms = totals.duration_percentiles((0.5, 0.95))
    return {
        "executions": totals["executions"],
        "failure_rate": bad / ended if ended else None,
        "median_duration_ms": median_ms,
        "p95_duration_ms": p95_ms,
        "mean_cost_usd": totals.mean("cost_usd", "cost_known"),
        "mean_prompt_tokens": totals.mean("prompt_tokens", "prompt_known"),
    }
