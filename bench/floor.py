"""How near ingest comes to its floor: raw COPY of the very rows that it stored, into the same table with its indexes.

    python -m bench.floor [--spans 60000] [--connections 2] [--rounds 3] [--payload large]

The two ways take turns, each round on an empty database of an embedded PostgreSQL with fsync: the whole way of
`ingest`, until every span is folded; then the rows that it left, as lines that are ready before the clock starts, over
some connections at once, a run always over the same one.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, get_args

import psycopg
from bench.bodies import Load, Plan, make_load
from bench.figures import machine, spread, table
from bench.ingest import Case, Options, Round, measure
from bench.runs import Payload
from bench.stack import running_stepwell
from bench.truth import verify
from psycopg import sql

from stepwell_migrations import runner
from stepwell_storage import partitions
from stepwell_storage.database import connect
from stepwell_storage.embedded import EmbeddedPostgres

LINES_PER_TRANSACTION: Final = 5_000
STORED_COLUMNS: Final = """
SELECT attname FROM pg_attribute
WHERE attrelid = 'analytics.step_facts'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
"""
READ: Final = sql.SQL("COPY (SELECT {columns} FROM analytics.step_facts) TO STDOUT")
WRITE: Final = sql.SQL("COPY analytics.step_facts ({columns}) FROM STDIN")
DAYS: Final = "SELECT DISTINCT (start_time AT TIME ZONE 'UTC')::date FROM analytics.step_facts"
COUNT: Final = "SELECT count(*) FROM analytics.step_facts"


class Rows:
    """What ingest left in the table, as lines of COPY, dealt out to connections."""

    def __init__(self, connection: psycopg.Connection[Any], connections: int) -> None:
        names = [name for (name,) in connection.execute(STORED_COLUMNS)]
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        self.write = WRITE.format(columns=columns)
        self.days: list[date] = [day for (day,) in connection.execute(DAYS)]
        trace_id = names.index("trace_id")
        dealt: dict[int, list[bytes]] = defaultdict(list)
        with connection.cursor() as cursor, cursor.copy(READ.format(columns=columns)) as copy:
            for line in copy:
                dealt[zlib.crc32(bytes(line).split(b"\t")[trace_id]) % connections].append(bytes(line))
        self.count = sum(map(len, dealt.values()))
        self.size_bytes = sum(len(line) for lines in dealt.values() for line in lines)
        self.blocks = [
            [b"".join(lines[at : at + LINES_PER_TRANSACTION]) for at in range(0, len(lines), LINES_PER_TRANSACTION)]
            for lines in dealt.values()
        ]


async def copied_s(url: str, rows: Rows) -> float:
    """Seconds of COPY alone, into a table that is empty but for its partitions."""
    async with await connect(url) as connection:
        await partitions.ensure_days(connection, rows.days)
        await connection.execute("CHECKPOINT")

    async def write(blocks: Sequence[bytes]) -> None:
        async with await connect(url) as connection:
            for block in blocks:
                async with connection.transaction(), connection.cursor() as cursor, cursor.copy(rows.write) as copy:
                    await copy.write(block)

    began_s = time.perf_counter()
    await asyncio.gather(*[write(blocks) for blocks in rows.blocks])
    took_s = time.perf_counter() - began_s
    async with await connect(url) as connection:
        found = await (await connection.execute(COUNT)).fetchone()
    if found != (rows.count,):
        raise SystemExit(f"{found} rows are there, {rows.count} were written")
    return took_s


def raw_round(rows: Rows) -> float:
    """Seconds of COPY alone on a database of its own."""
    with tempfile.TemporaryDirectory(prefix="stepwell-bench-") as folder, EmbeddedPostgres(Path(folder)) as server:
        runner.migrate(server.url)
        return asyncio.run(copied_s(server.url, rows))


def whole_round(load: Load, case: Case, connections: int) -> tuple[Round, Rows]:
    """The figures of ingest, and the rows that it left."""
    with running_stepwell() as stack:
        told = measure(stack, load, case.connect(stack), Options())
        verify(stack, load)
        with psycopg.connect(stack.database_url) as connection:
            return told, Rows(connection, connections)


def main() -> None:
    """Prints the rates of both and their ratio, with what they were measured on."""
    given = _arguments()
    case = Case("http", given.payload, "none")
    load = make_load(Plan(given.spans, given.payload))
    print(f"{machine()} at the start; n = {given.rounds}; {load}")
    acknowledged, folded, raw = [], [], []
    for _ in range(given.rounds):
        told, rows = whole_round(load, case, given.connections)
        acknowledged.append(load.spans / told.acknowledged_s)
        folded.append(load.spans / told.folded_s)
        raw.append(rows.count / raw_round(rows))
    print(f"{machine()} at the end; rows of {rows.size_bytes / rows.count:,.0f} bytes\n")
    floor = statistics.median(raw)
    found = {f"raw COPY, {given.connections} connections": raw, "acknowledged": acknowledged, "folded": folded}
    told_rows = {name: [spread(rates), f"{statistics.median(rates) / floor:.2f}"] for name, rates in found.items()}
    print("\n".join(table(("way", "spans/s", "of raw COPY"), told_rows)))


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=2, help="of raw COPY")
    parser.add_argument("--payload", choices=get_args(Payload), default="large")
    return parser.parse_args()


if __name__ == "__main__":
    main()
