"""Random sequences of what may happen to runs and their rollups, for tests on both engines."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.rollups import check_rollups
from tests.spans import Sent, agent, chat, exception, steps, tool
from tests.storing import Connection, fold_all, store

from stepwell_receiver import wire
from stepwell_storage import stale
from stepwell_storage.model import Step
from stepwell_storage.rollups import compaction

HOUR_MS = 3_600_000


def trace(rng: random.Random, number: int) -> list[Step]:
    """A run of one of three agents, somewhere in ten days; some fail, some lack their end or their root."""
    at_ms = rng.randrange(240) * HOUR_MS + rng.randrange(HOUR_MS)
    key = f"t{number}"
    spans: list[Sent] = [
        agent(f"{key}-root", rng.choice(("planner", "writer", "helper")), at_ms=at_ms, for_ms=rng.uniform(50, 5000))
    ]
    for i in range(rng.randrange(6)):
        more: dict[str, Any] = {"parent": f"{key}-root", "at_ms": at_ms + 5 * i, "for_ms": rng.expovariate(0.01)}
        if rng.random() < 0.5:
            spans.append(chat(f"{key}-{i}", (rng.randrange(500), rng.randrange(90)), **more))
        elif rng.random() < 0.7:
            spans.append(tool(f"{key}-{i}", rng.choice(("search", "book")), **more))
        else:
            broken = exception(rng.choice(("TimeoutError", "ValueError")), "it broke")
            spans.append(tool(f"{key}-{i}", "pay", status=wire.STATUS_ERROR, events=[broken], **more))
    if rng.random() < 0.2:
        spans[0].status = wire.STATUS_ERROR
    resource: wire.Attributes = {
        "service.name": "shop",
        "service.version": rng.choice(("1", "2")),
        "deployment.environment.name": "live",
    }
    trace_id = number.to_bytes(16, "big")
    for span in spans:
        span.trace_id = trace_id
    if rng.random() < 0.1:
        spans[0].attributes["stepwell.span.state"] = "started"
    return steps(*spans, resource=resource)


async def run_sequence(connection: Connection, seed: int, runs: int) -> None:
    """Late, moved, repeated and re-folded runs, with the sums brought up at any time in between; checked throughout."""
    rng = random.Random(seed)
    waiting = [step for number in range(1, runs) for step in trace(rng, number)]
    rng.shuffle(waiting)
    now = datetime.now(UTC) + timedelta(days=3650)
    while waiting:
        cut = rng.randrange(1, 40)
        sent, waiting = waiting[:cut], waiting[cut:]
        await store(connection, sent + rng.sample(sent, len(sent) // 5))
        for action in rng.sample(range(4), rng.randrange(1, 5)):
            if action == 0:
                await fold_all(connection)
            elif action == 1:
                await compaction.compact(connection)
            elif action == 2:
                await compaction.sum_days(connection, now)
            elif rng.random() < 0.2:
                await stale.time_out(connection, timedelta(seconds=0))
        await check_rollups(connection)
    await fold_all(connection)
    await check_rollups(connection)
    await compaction.compact(connection)
    await compaction.sum_days(connection, now)
    await check_rollups(connection)
    left = await (await connection.execute("SELECT count(*) FROM analytics.rollup_deltas")).fetchone()
    assert left == (0,)
