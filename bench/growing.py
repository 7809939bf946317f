"""What a long run costs the worker when it arrives piece by piece: the same steps in a few requests, and in many.

    python -m bench.growing [--steps 50000] [--requests 10 500] [--pause-s 0.0]

Each way has an empty embedded PostgreSQL. A process of its own commits the steps as a receiver does, the agent's span
last; the worker runs in this one, whose CPU time is told. It ends when the run's row holds every step.
"""

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from pathlib import Path

from bench.figures import machine
from bench.longrun import make_step

from stepwell_migrations import runner
from stepwell_storage import facts, worker
from stepwell_storage.database import connect
from stepwell_storage.embedded import EmbeddedPostgres
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.partitions import KnownDays
from stepwell_storage.settings import Settings

POLL_S = 0.25
HOUR_NS = 3_600_000_000_000


def send(url: str, steps: int, requests: int, pause_s: float) -> None:
    """Commits the steps in so many transactions, with a pause after each."""
    asyncio.run(_send(url, steps, requests, pause_s))


async def _send(url: str, count: int, requests: int, pause_s: float) -> None:
    start_ns = time.time_ns() // 1000 * 1000 - HOUR_NS
    steps = [make_step(number, start_ns) for number in [*range(2, count + 1), 1]]
    at_once = -(-count // requests)
    async with await connect(url) as connection:
        await KnownDays().ensure(connection, [step.start_ns for step in steps])
        for first in range(0, count, at_once):
            async with connection.transaction():
                await facts.insert_facts(connection, {LOCAL_WORKSPACE_ID: steps[first : first + at_once]})
                await connection.execute("SELECT pg_notify('stepwell_dirty', '')")
            await asyncio.sleep(pause_s)


async def measure(url: str, steps: int, requests: int, pause_s: float) -> tuple[float, float]:
    """Seconds of CPU time of the worker, and of the clock."""
    stop, ready = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(worker.run(Settings(database_url=url), started=ready.set, stop=stop))
    await ready.wait()
    sender = multiprocessing.get_context("spawn").Process(target=send, args=(url, steps, requests, pause_s))
    began_s, cpu_s = time.perf_counter(), time.process_time()
    sender.start()
    async with await connect(url) as connection:
        stored = 0
        while stored != steps:
            await asyncio.sleep(POLL_S)
            cursor = await connection.execute("SELECT coalesce(max(steps_total), 0) FROM analytics.agent_executions")
            (stored,) = (await cursor.fetchall())[0]
    took = time.process_time() - cpu_s, time.perf_counter() - began_s
    sender.join()
    stop.set()
    await working
    return took


def main() -> None:
    """Prints both for each number of requests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--requests", type=int, nargs="+", default=[10, 500])
    parser.add_argument("--pause-s", type=float, default=0.0)
    given = parser.parse_args()
    print(f"{machine()}; a run of {given.steps:,} steps, {given.pause_s} s between requests")
    for requests in given.requests:
        with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "data") as server:
            runner.migrate(server.url)
            cpu_s, took_s = asyncio.run(measure(server.url, given.steps, requests, given.pause_s))
        print(f"{requests:>4} requests: worker {cpu_s:.2f} s of CPU time, folded after {took_s:.1f} s")


if __name__ == "__main__":
    main()
