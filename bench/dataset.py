"""Builds a database of many runs, as receiver and worker would have left it, in a data folder kept between calls.

    python -m bench.dataset --folder FOLDER [--executions 1000000] [--days 60] [--streams 2]
    python -m bench.dataset --folder FOLDER --clean

Runs are copies of templates (`templates`) that the product's own code mapped, stored and folded (`forms`), with ids,
times and texts of their own, and go by COPY into the partitions. What is there already is used as it is.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import psycopg
from bench.counting import count_runs
from bench.forms import Form, make_forms
from bench.templates import make_templates
from bench.texts import Texts
from sqlalchemy import Engine, create_engine

from stepwell_migrations import runner
from stepwell_storage import partitions
from stepwell_storage.database import connect
from stepwell_storage.embedded import EmbeddedPostgres
from stepwell_storage.schema import agent_executions

SEED = 4
BATCH = 500
"""Runs in one transaction."""
US_PER_DAY = 86_400 * 1_000_000
DESCRIPTION = "dataset.json"
WORDS = next(index for index in agent_executions.indexes if index.name == "agent_executions_words")
"""Made after the loading, which takes a fraction of the time that its upkeep would."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """What a folder holds."""

    executions: int
    steps: int
    stop: str
    """RFC 3339: all runs started before it."""
    days: int
    load_s: float


@dataclass(frozen=True, slots=True)
class _Plan:
    """What every stream needs to know."""

    url: str
    copies: Mapping[str, str]
    forms: Sequence[Form]
    weights: Sequence[float]
    executions: int
    days: int
    stop: datetime
    streams: int


def build(folder: Path, *, executions: int, days: int, streams: int) -> DataSet:
    """Makes the data set in the folder unless it is there; a folder with half of one is begun anew."""
    description = folder / DESCRIPTION
    if description.exists():
        return DataSet(**json.loads(description.read_text()))
    shutil.rmtree(folder, ignore_errors=True)
    stop = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start_s = time.perf_counter()
    with EmbeddedPostgres(folder, fsync=False) as server:
        plan = asyncio.run(_prepare(server.url, executions, days, stop, streams))
        with ProcessPoolExecutor(streams) as pool:
            steps = sum(pool.map(_load_share, [plan] * streams, range(streams)))
        asyncio.run(settle(server.url))
    made = DataSet(executions, steps, stop.isoformat(), days, round(time.perf_counter() - start_s, 1))
    description.write_text(json.dumps(asdict(made)))
    return made


async def _prepare(url: str, executions: int, days: int, stop: datetime, streams: int) -> _Plan:
    runner.migrate(url)
    async with await connect(url) as connection:
        await partitions.ensure_days(connection, [stop.date() - timedelta(days=back) for back in range(-1, days + 1)])
    WORDS.drop(_engine(url))
    templates = make_templates(random.Random(SEED))
    copies, forms = await make_forms(url, templates)
    weights = list(accumulate(template.weight for template in templates))
    return _Plan(url, copies, forms, weights, executions, days, stop, streams)


def _engine(url: str) -> Engine:
    source = url.replace("postgresql:", "postgresql+psycopg:", 1)
    return create_engine(source, connect_args={"options": "-c maintenance_work_mem=1GB"})


async def settle(url: str) -> None:
    """What follows from the rows and is kept beside them, and the statistics and visibility that autovacuum makes."""
    WORDS.create(_engine(url))
    async with await connect(url) as connection:
        await count_runs(connection)
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")


def _load_share(plan: _Plan, share: int) -> int:
    """Loads every so-many-th day; gives the number of steps."""
    os.nice(10)
    return asyncio.run(_load_days(plan, share))


async def _load_days(plan: _Plan, share: int) -> int:
    texts, chance = Texts.make(random.Random(SEED)), random.Random(SEED + 1 + share)
    steps = 0
    async with await connect(plan.url) as connection:
        for day in range(share, plan.days, plan.streams):
            runs = plan.executions * (day + 1) // plan.days - plan.executions * day // plan.days
            stop_us = round((plan.stop - timedelta(days=day)).timestamp()) * 1_000_000
            for done in range(0, runs, BATCH):
                forms = chance.choices(plan.forms, cum_weights=plan.weights, k=min(BATCH, runs - done))
                filled = [form.fill(stop_us - chance.randrange(1, US_PER_DAY), texts, chance) for form in forms]
                await _write(connection, plan.copies, filled)
                steps += sum(form.steps for form in forms)
    return steps


async def _write(
    connection: psycopg.AsyncConnection, copies: Mapping[str, str], filled: Sequence[Mapping[str, str]]
) -> None:
    async with connection.transaction(), connection.cursor() as cursor:
        for table, statement in copies.items():
            async with cursor.copy(statement.encode()) as copy:
                await copy.write("".join([lines[table] for lines in filled]))


def main() -> None:
    """Builds or deletes; prints what the folder holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--clean", action="store_true", help="delete the folder instead")
    arguments = parser.parse_args()
    if arguments.clean:
        shutil.rmtree(arguments.folder)
        return
    print(build(arguments.folder, executions=arguments.executions, days=arguments.days, streams=arguments.streams))


if __name__ == "__main__":
    main()
