"""How fast steps get into PostgreSQL, beside the floor: raw COPY of the same lines over as many connections.

    python bench/floor.py [--steps 60000] [--connections 2] [--rounds 3] [--database-url URL]

Without a URL it runs an embedded PostgreSQL in a temporary folder, with fsync. Each way is run on a fresh table; the
ways take turns, and the median of the rounds is printed. Lines are made before the clock starts for the raw ways, and
within it for ours.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stepwell_migrations import runner
from stepwell_storage.commit import Committer
from stepwell_storage.database import connect
from stepwell_storage.embedded import EmbeddedPostgres
from stepwell_storage.facts import SQL
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.model import Role, Status, Step, StepType
from stepwell_storage.partitions import KnownDays
from stepwell_storage.rows import step_lines
from stepwell_storage.settings import Settings

WORDS = [
    "the",
    "agent",
    "should",
    "answer",
    "with",
    "a",
    "plan",
    "and",
    "then",
    "call",
    '"tool"',
    "for",
    "each",
    "item",
    "while",
    "keeping",
    "the",
    "budget",
]
REQUEST_STEPS = 100
CONCURRENT_REQUESTS = 32


def make_steps(count: int) -> list[Step]:
    """Steps of about 1.9 KB as COPY lines, six to a trace, the traces interleaved."""
    dice = random.Random(1)
    now_ns = time.time_ns() // 1000 * 1000
    traces = [dice.randbytes(16) for _ in range(max(count // 6, 1))]
    return [_make_step(dice, traces[number % len(traces)], now_ns - number * 1_000_000) for number in range(count)]


def _make_step(dice: random.Random, trace_id: bytes, start_ns: int) -> Step:
    messages = json.dumps([{"role": "user", "content": "\n".join(dice.choices(WORDS, k=90))}])
    attributes = {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 812, "note": "x" * 300}
    return Step(
        trace_id=trace_id,
        span_id=dice.randbytes(8),
        parent_span_id=dice.randbytes(8),
        parent_is_remote=False,
        start_ns=start_ns,
        end_ns=start_ns + 500_000_000,
        duration_ms=500.0,
        name="chat gpt-4o",
        step_name="chat",
        step_type=StepType.API_CALL,
        role=Role.MODEL,
        operation="chat",
        status=Status.SUCCESS,
        agent_name=f"agent-{dice.randrange(20)}",
        model="gpt-4o",
        provider="openai",
        response_id=dice.randbytes(8).hex(),
        prompt_tokens=812,
        completion_tokens=dice.randrange(1000),
        cost_usd=dice.random() / 100,
        service_name="bench",
        framework="bench",
        scope_name="bench",
        has_input=True,
        has_output=True,
        input_json=messages,
        output_json=messages,
        attributes_json=json.dumps(attributes),
        resource_json='{"service.name": "bench", "deployment.environment.name": "production"}',
    )


def shards(steps: list[Step], count: int) -> list[list[Step]]:
    """The steps by trace, as the writers share them."""
    parts: list[list[Step]] = [[] for _ in range(count)]
    for step in steps:
        parts[hash(step.trace_id) % count].append(step)
    return parts


async def timed_raw(url: str, steps: list[Step], connections: int) -> float:
    """Seconds of COPY alone: the lines are there, each connection writes its own in one transaction a 5,000 steps."""
    lines = [
        [step_lines(str(LOCAL_WORKSPACE_ID), part[at : at + 5_000]) for at in range(0, len(part), 5_000)]
        for part in shards(steps, connections)
    ]

    async def write(blocks: list[bytes]) -> None:
        async with await connect(url) as connection:
            for block in blocks:
                async with connection.transaction(), connection.cursor() as cursor, cursor.copy(SQL.copy_steps) as copy:
                    await copy.write(block)

    began_s = time.perf_counter()
    await asyncio.gather(*[write(blocks) for blocks in lines])
    return time.perf_counter() - began_s


async def timed_lines(steps: list[Step]) -> float:
    """Seconds of making the lines, without a database."""
    began_s = time.perf_counter()
    for at in range(0, len(steps), 200):
        step_lines(str(LOCAL_WORKSPACE_ID), steps[at : at + 200])
    return time.perf_counter() - began_s


async def timed_commits(url: str, steps: list[Step], connections: int, *, repeated: float = 0.0) -> float:
    """Seconds of concurrent requests through the group commit, a fraction of them sent twice."""
    requests = [steps[at : at + REQUEST_STEPS] for at in range(0, len(steps), REQUEST_STEPS)]
    requests += random.Random(2).sample(requests, round(len(requests) * repeated))
    waiting = iter(requests)
    committer = Committer(Settings(database_url=url), writers=connections)
    await committer.start()

    async def send() -> None:
        for request in waiting:
            await committer.submit(LOCAL_WORKSPACE_ID, request, 1_900 * len(request))

    began_s = time.perf_counter()
    await asyncio.gather(*[send() for _ in range(CONCURRENT_REQUESTS)])
    took_s = time.perf_counter() - began_s
    await committer.stop()
    return took_s


async def prepare(url: str, steps: list[Step]) -> None:
    """Empty tables with the partitions of the steps' days."""
    async with await connect(url) as connection:
        await KnownDays().ensure(connection, (step.start_ns for step in steps))
        await connection.execute("TRUNCATE analytics.step_facts, analytics.live_steps, analytics.dirty_traces")
        await connection.execute("CHECKPOINT")


async def measure(url: str, count: int, connections: int, rounds: int) -> None:
    """Runs the ways in turns and prints the medians."""
    steps = make_steps(count)
    size = sum(len(step_lines(str(LOCAL_WORKSPACE_ID), [step])) for step in steps[:1000]) / len(steps[:1000])
    print(f"{count} steps of {size:.0f} bytes as lines, {connections} connections, median of {rounds} rounds")
    ways: dict[str, Callable[[], Awaitable[float]]] = {
        "lines alone, no database": lambda: timed_lines(steps),
        "raw COPY of ready lines": lambda: timed_raw(url, steps, connections),
        "group commit": lambda: timed_commits(url, steps, connections),
        "group commit, 2 % of requests sent twice": lambda: timed_commits(url, steps, connections, repeated=0.02),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            await prepare(url, steps)
            seconds[name].append(await run())
    for name, took in seconds.items():
        rates = [count / took_s for took_s in took]
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        print(f"{statistics.median(rates):>10,.0f} steps/s  {name}  ({spread})")


@contextmanager
def database(url: str | None) -> Iterator[str]:
    """The given database, or one of our own for the while."""
    if url:
        yield url
        return
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "data") as server:
        yield server.url


def main() -> None:
    """Reads the options and measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60_000)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database-url", help="empties its tables of steps")
    options = parser.parse_args()
    with database(options.database_url) as url:
        runner.migrate(url)
        asyncio.run(measure(url, options.steps, options.connections, options.rounds))


if __name__ == "__main__":
    main()
