"""What a span costs behind its acknowledgement: CPU time of folds, of rollups and of words, and PostgreSQL's.

    python -m bench.fold [--runs 5000] [--parts 1]

Stores runs of fifty agents (`templates`) as a receiver leaves them, marks them, and lets the worker's own code work
them off in this process, over an embedded PostgreSQL of its own. CPU time depends less than wall time on what else the
machine does; that of PostgreSQL is its backend's, read from ``/proc``, so Linux alone. With several parts a run's steps
come in as many commits, and each is folded before the next.
"""

import argparse
import asyncio
import platform
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from bench.dataset import SEED
from bench.forms import make_forms
from bench.templates import make_templates
from bench.texts import Texts

from stepwell_migrations import runner
from stepwell_storage import folding, partitions, searching
from stepwell_storage.database import connect
from stepwell_storage.embedded import EmbeddedPostgres
from stepwell_storage.rollups import compaction
from stepwell_storage.times import to_datetime

Connection = psycopg.AsyncConnection[Any]
TEMPLATES = 300
RUNS_A_COMMIT = 50
HOUR_US = 3_600_000_000

# As a receiver's writer: one mark for each trace of a commit.
MARK = """
INSERT INTO analytics.dirty_traces (workspace_id, trace_id, earliest, latest, span_count)
SELECT workspace_id, trace_id, min(start_time), max(start_time), count(*)
FROM analytics.step_facts WHERE trace_id = ANY (%s) GROUP BY workspace_id, trace_id
"""


@dataclass(slots=True)
class Cost:
    """CPU seconds of both sides."""

    worker_s: float = 0.0
    database_s: float = 0.0


async def measure(url: str, runs: int, parts: int) -> dict[str, Cost]:
    """The cost of each kind of work for one span."""
    chance, texts = random.Random(SEED), Texts.make(random.Random(SEED))
    templates = make_templates(chance)
    weights = [template.weight for template in templates]
    chosen = chance.choices(templates, weights=weights, k=TEMPLATES)
    copies, forms = await make_forms(url, list({id(template): template for template in chosen}.values()))
    drawn = chance.choices(forms, k=runs)
    now_us = time.time_ns() // 1000
    costs = {name: Cost() for name in ("fold", "rollups", "words")}
    async with await connect(url) as connection:
        await partitions.ensure_ahead(connection, to_datetime(now_us * 1000))
        lines = [form.fill(now_us - chance.randrange(HOUR_US), texts, chance)["step_facts"] for form in drawn]
        for part in range(parts):
            await _store(connection, copies["step_facts"], [_part(text, part, parts) for text in lines])
            await _cost(connection, costs["fold"], lambda: _fold(connection))
        await _cost(connection, costs["rollups"], lambda: compaction.compact(connection))
        await _cost(connection, costs["words"], lambda: searching.read_words(connection, rested=-searching.RESTED))
    spans = sum(form.steps for form in drawn)
    return {name: Cost(cost.worker_s / spans, cost.database_s / spans) for name, cost in costs.items()}


def _part(text: str, part: int, parts: int) -> str:
    """Every so-many-th line of a run."""
    return "".join(text.splitlines(keepends=True)[part::parts])


async def _store(connection: Connection, statement: str, runs: Sequence[str]) -> None:
    for first in range(0, len(runs), RUNS_A_COMMIT):
        some = [text for text in runs[first : first + RUNS_A_COMMIT] if text]
        async with connection.transaction():
            async with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
                await copy.write("".join(some))
            trace_ids = [bytes.fromhex(text.split("\t", 2)[1].removeprefix(r"\\x")) for text in some]
            await connection.execute(MARK, (trace_ids,))


async def _fold(connection: Connection) -> None:
    while traces := await folding.waiting(connection):
        for batch in folding.batches(traces):
            await folding.fold(connection, batch)


async def _cost(connection: Connection, cost: Cost, work: Callable[[], Awaitable[object]]) -> None:
    worker_s, database_s = time.process_time(), _cpu_s(connection)
    await work()
    cost.worker_s += time.process_time() - worker_s
    cost.database_s += _cpu_s(connection) - database_s


def _cpu_s(connection: Connection) -> float:
    """Seconds that the connection's backend has been on a processor."""
    return int(Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9


def main() -> None:
    """Prints microseconds for each span."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--parts", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "data") as server:
        runner.migrate(server.url)
        costs = asyncio.run(measure(server.url, arguments.runs, arguments.parts))
    print(f"{arguments.runs:,} runs, {arguments.parts} parts; {platform.machine()}, Python {platform.python_version()}")
    for name, cost in costs.items():
        print(f"{name:<8} CPU µs per span: worker {cost.worker_s * 1e6:6.1f}, PostgreSQL {cost.database_s * 1e6:6.1f}")


if __name__ == "__main__":
    main()
