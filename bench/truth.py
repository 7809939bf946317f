"""Waits until everything that was sent is folded, and compares what is stored and shown with what was sent, exactly.

While it waits it asks the database one cheap question every few milliseconds, so that the waiting does not cost what is
measured. The comparison comes when the clock has stopped.
"""

import json
import time
from collections.abc import Set
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import psycopg
from bench.bodies import Load
from bench.runs import Sum
from bench.stack import Api, Stack

POLL_S: Final = 0.02
LONGEST_FOLD_S: Final = 300.0
NEXT_MARK: Final = "SELECT FROM analytics.dirty_traces ORDER BY sequence LIMIT 1"
STORED: Final = "COPY (SELECT trace_id, span_id FROM analytics.step_facts) TO STDOUT"
FOLDED: Final = "SELECT count(*), coalesce(sum(steps_total), 0) FROM analytics.agent_executions"


class LostError(SystemExit):
    """What is stored or shown is not what was sent: the figures are worth nothing."""


def wait_until_folded(connection: psycopg.Connection[Any]) -> float:
    """When (`time.perf_counter`) no trace waited for its fold any more; marks go in the fold's own transaction.

    Raises:
        LostError: it takes too long.
    """
    deadline_s = time.perf_counter() + LONGEST_FOLD_S
    while connection.execute(NEXT_MARK).fetchone() is not None:
        if time.perf_counter() > deadline_s:
            raise LostError(f"Traces still wait for their fold {LONGEST_FOLD_S:.0f} s after the last request")
        time.sleep(POLL_S)
    return time.perf_counter()


def verify(stack: Stack, load: Load) -> None:
    """Compares spans by their ids, runs with their figures by agent, and the ledger's counts.

    Raises:
        LostError: there is any difference.
    """
    with psycopg.connect(stack.database_url) as connection:
        verify_spans(connection, load.span_ids)
        _compare("executions and their steps", connection.execute(FOLDED).fetchone(), (len(load.sizes), load.spans))
    api, since = Api(stack.api), datetime.fromtimestamp(load.earliest_ns // 10**9, UTC).isoformat()
    window = urlencode({"from": since, "to": datetime.now(UTC).isoformat()})
    _compare("runs and tokens by agent", _shown(api, window), _by_agent(load))
    totals = api.ask(f"/ingest?{urlencode({'from': since})}")["totals"]
    repeated = load.spans_sent - load.spans
    wanted_totals = {"stored": load.spans, "kept": load.spans, "rejected": 0}
    _compare("the ledger", {name: totals[name] for name in wanted_totals}, wanted_totals)
    # A request whose answer got lost came again, which is no mistake: then more was repeated than was meant to.
    if totals["duplicate"] < repeated:
        raise LostError(f"The ledger tells {totals['duplicate']} repeated spans, {repeated} were sent")


def verify_spans(connection: psycopg.Connection[Any], wanted: Set[tuple[bytes, bytes]]) -> None:
    """Compares the ids of all stored spans with these.

    Raises:
        LostError: there is any difference.
    """
    with connection.cursor() as cursor, cursor.copy(STORED) as copy:
        copy.set_types(["bytea", "bytea"])
        stored = {(row[0], row[1]) for row in copy.rows()}
    if stored != wanted:
        raise LostError(f"{len(wanted - stored)} spans are not stored, {len(stored - wanted)} were never sent")


def _by_agent(load: Load) -> dict[str, dict[str, int]]:
    return {name: asdict(told) for name, told in load.agents.items()}


def _shown(api: Api, window: str) -> dict[str, dict[str, int]]:
    """What the API tells of each agent, in the terms of `Sum`."""
    shown = {}
    for agent in api.ask(f"/agents?limit=1000&{window}")["items"]:
        failed = agent["executions"] - agent["successful"]
        told = Sum(agent["executions"], failed, agent["prompt_tokens"], agent["completion_tokens"])
        shown[agent["agent_id"]] = asdict(told)
    return shown


def _compare(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise LostError(f"{what}: stored is {json.dumps(found)}, sent was {json.dumps(wanted)}")
