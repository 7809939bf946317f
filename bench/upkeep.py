"""What keeping the rollups current takes from ingest: the whole way with it and without it, in turns.

    python -m bench.upkeep [--spans 60000] [--rounds 3]

Each round has an empty embedded PostgreSQL with fsync, a receiver and a worker, and no API. The worker runs in this
module; for a round without upkeep it replaces the functions that count runs, write what they change and sum it up. The
product has no such switch.
"""

import argparse
import asyncio
import contextlib
import signal
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

import psycopg
from bench.bodies import Load, Plan, make_load
from bench.figures import machine, spread, table
from bench.processes import usage
from bench.sending import HttpConnection, send
from bench.stack import first_line, running
from bench.truth import verify_spans, wait_until_folded

from stepwell_migrations import runner
from stepwell_storage import executions, run_lines, worker
from stepwell_storage.embedded import EmbeddedPostgres
from stepwell_storage.rollups import compaction, deltas
from stepwell_storage.settings import Settings

CONNECTIONS: Final = 8
COLUMNS: Final = ("rollups", "acknowledged, spans/s", "folded, spans/s", "receiver, µs", "worker, µs", "postgres, µs")


@dataclass(frozen=True, slots=True)
class Round:
    """Spans a second, and CPU microseconds for each by process."""

    acknowledged: float
    folded: float
    us_per_span: Sequence[float]
    """Receiver, worker, PostgreSQL."""


def without_upkeep() -> None:
    """Replaces, in this process, what keeps the rollups."""

    async def nothing(*_: object) -> None:
        return None

    async def no_row(*_: object) -> int:
        return 0

    def uncounted(workspace_id: UUID, _: object) -> SimpleNamespace:
        return SimpleNamespace(workspace_id=workspace_id)

    def count_nothing(*_: object) -> None:
        return None

    for owner, name, instead in (
        (executions, "run_of", uncounted),
        (run_lines, "figures_json", lambda _: "null"),
        (deltas.Changes, "add", count_nothing),
        (deltas, "write", nothing),
        (compaction, "compact", no_row),
        (compaction, "sum_days", no_row),
    ):
        if not hasattr(owner, name):
            raise SystemExit(f"{owner} has no {name} any more, which keeps the rollups")
        setattr(owner, name, instead)


async def work(url: str) -> None:
    """The worker, until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await worker.run(Settings(database_url=url), started=lambda: print("{}", flush=True), stop=stop)


@contextlib.contextmanager
def running_parts(url: str, folder: Path, *, upkeep: bool) -> Iterator[tuple[int, int, str]]:
    """Process ids of a receiver and a worker, and the receiver's address."""
    ports = ["--database-url", url, "--otlp-http-port", "0", "--otlp-grpc-port", "0"]
    receiver = [sys.executable, "-m", "stepwell_api.cli", "receiver", *ports]
    own = [sys.executable, "-m", "bench.upkeep", "--worker", url, *([] if upkeep else ["--without"])]
    with running(receiver, folder / "receiver.log") as receiving, running(own, folder / "worker.log") as working:
        ready = first_line(receiving)
        first_line(working)
        yield receiving.pid, working.pid, ready["otlp_http"]


def run_round(load: Load, *, upkeep: bool) -> Round:
    """One round on a database of its own."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stepwell-bench-")))
        server = stack.enter_context(EmbeddedPostgres(folder / "data"))
        runner.migrate(server.url)
        receiver, working, url = stack.enter_context(running_parts(server.url, folder, upkeep=upkeep))
        assert server.pid is not None
        pids = (receiver, working, server.pid)
        connection = stack.enter_context(psycopg.connect(server.url, autocommit=True))
        before = [_cpu_s(pid) for pid in pids]
        sent = send(load.requests, lambda: HttpConnection(url), connections=CONNECTIONS)
        folded_s = wait_until_folded(connection) - sent.start_s
        used = [(_cpu_s(pid) - earlier) * 1e6 / load.spans for pid, earlier in zip(pids, before, strict=True)]
        verify_spans(connection, load.span_ids)
        return Round(load.spans / (sent.last_s - sent.start_s), load.spans / folded_s, used)


def _cpu_s(pid: int) -> float:
    return sum(told.cpu_s for told in usage(pid).values())


def main() -> None:
    """Prints both, and the share of speed and of CPU time that upkeep takes."""
    given = _arguments()
    if given.worker:
        if given.without:
            without_upkeep()
        asyncio.run(work(given.worker))
        return
    load = make_load(Plan(given.spans))
    print(f"{machine()} at the start; n = {given.rounds}; {load}")
    found: dict[bool, list[Round]] = defaultdict(list)
    for _ in range(given.rounds):
        for upkeep in (True, False):
            found[upkeep].append(run_round(load, upkeep=upkeep))
    print(f"{machine()} at the end\n")
    rows = {("kept" if upkeep else "not kept"): _cells(rounds) for upkeep, rounds in found.items()}
    print("\n".join(table(COLUMNS, rows)))
    speed = statistics.median(one.folded for one in found[True]) / statistics.median(one.folded for one in found[False])
    us = {upkeep: statistics.median(sum(one.us_per_span) for one in rounds) for upkeep, rounds in found.items()}
    print(
        f"\nUpkeep takes {1 - speed:.0%} of the speed until folded, and {1 - us[False] / us[True]:.0%} of all CPU time"
    )


def _cells(rounds: Sequence[Round]) -> list[str]:
    return [
        spread([one.acknowledged for one in rounds]),
        spread([one.folded for one in rounds]),
        *[spread([one.us_per_span[place] for one in rounds]) for place in range(3)],
    ]


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--without", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
