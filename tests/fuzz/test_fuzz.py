"""A short run of the fuzzer's mutations, the same each time; all that it ever found; a sample in a real database."""

import random
from pathlib import Path

import pytest
from tests.fuzz.mutation import MUTATIONS
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS
from tests.fuzz.words import LONG
from tests.spans import Sent, steps
from tests.storing import Connection, fold_all, store

from stepwell_receiver import protobuf
from stepwell_receiver.mapping import map_request
from stepwell_receiver.validation import reject_invalid
from stepwell_storage.model import Step

FINDS = sorted((Path(__file__).parent / "finds").glob("*.bin"))
ROUNDS = {"traces_protobuf": 120, "traces_json": 60, "logs_protobuf": 150, "logs_json": 60, "metrics_json": 150}
SAMPLE = 60
COUNT = """
SELECT (SELECT count(*) FROM analytics.step_facts), (SELECT count(*) FROM analytics.live_steps),
       (SELECT count(*) FROM analytics.dirty_traces), (SELECT count(*) FROM analytics.execution_steps),
       (SELECT sum(steps_total) FROM analytics.agent_executions)
"""


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_keeps_the_properties(name: str) -> None:
    for body in seeds()[name][::5]:
        TARGETS[name](body)


@pytest.mark.parametrize("name", ROUNDS)
def test_mutated_captures_keep_the_properties(name: str) -> None:
    chance = random.Random(20261122)
    tried = 0
    while tried < ROUNDS[name]:
        body = MUTATIONS[name](chance.choice(seeds()[name]), chance)
        if body is not None:
            TARGETS[name](body)
            tried += 1


@pytest.mark.parametrize("path", FINDS, ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(path: Path) -> None:
    TARGETS[path.stem.partition("-")[0]](path.read_bytes())


async def test_mutated_captures_can_be_stored_and_folded(connection: Connection) -> None:
    sent = _mutated_steps(random.Random(7))

    await store(connection, sent)
    await fold_all(connection)

    finished = {(step.trace_id, step.span_id, step.start_ns) for step in sent if not step.is_live}
    live = {(step.trace_id, step.span_id) for step in sent if step.is_live}
    stored, running, waiting, placed, counted = await (await connection.execute(COUNT)).fetchone() or (0,) * 5
    assert (stored, running, waiting) == (len(finished), len(live), 0)
    assert placed == counted > SAMPLE


async def test_a_name_that_no_index_takes_is_cut_and_its_trace_folded(connection: Connection) -> None:
    names = {"gen_ai.agent.name": LONG, "session.id": LONG, "gen_ai.operation.name": "invoke_agent"}
    sent = Sent("a", names, name=LONG)
    nameless = Sent("b", {"gen_ai.request.model": LONG}, trace_id=b"another trace id")

    await store(connection, [*steps(sent), *steps(nameless, resource={"service.name": LONG})])
    await fold_all(connection)

    cursor = await connection.execute("SELECT agent_id, session_id FROM analytics.agent_executions ORDER BY session_id")
    assert await cursor.fetchall() == [(LONG[:500], LONG[:500]), (LONG[:500], None)]


def _mutated_steps(chance: random.Random) -> list[Step]:
    """The steps of mutated captures, each capture's traces under ids of their own."""
    found: list[Step] = []
    for _ in range(SAMPLE):
        body = MUTATIONS["traces_protobuf"](chance.choice(seeds()["traces_protobuf"]), chance)
        if body is None:
            continue
        request = protobuf.decode_traces(body)
        reject_invalid(request)
        found.extend(map_request(request, max_attribute_bytes=16 * 1024))
    return found
