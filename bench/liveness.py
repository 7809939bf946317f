"""How soon a step that an agent has called is seen: as a row in the database, and as an event for who watches.

    python -m bench.liveness [--steps 300] [--agents 2]

Agents with ``@stepwell.step``, each in a process of its own, call steps of a tenth of a second against a
``stepwell up`` with an empty database and fsync, all on this machine. The time runs from the step's start until its
row is there for another transaction (which asks every two milliseconds), and until ``GET /api/v1/live/events`` has told
``step.started``. The first second does not count.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.request import urlopen

import psycopg
from bench.figures import machine, quantile, table
from bench.stack import Stack, running_stepwell

POLL_S: Final = 0.002
WARM_UP_NS: Final = 1_000_000_000
LONGEST_WAIT_S: Final = 60.0
NS: Final = 1_000_000_000
AGENT: Final = """
import random, sys, time
import stepwell
stepwell.configure(sys.argv[1])
@stepwell.step
def work(number):
    time.sleep(random.uniform(0.05, 0.15))
with stepwell.agent("watched"):
    for number in range(int(sys.argv[2])):
        work(number)
"""
NEW: Final = """
SELECT encode(span_id, 'hex'), extract(epoch FROM start_time) * 1000000000 FROM analytics.live_steps
WHERE step_name = 'work'
UNION
SELECT encode(span_id, 'hex'), extract(epoch FROM start_time) * 1000000000 FROM analytics.step_facts
WHERE step_name = 'work' AND start_time > now() - interval '2 seconds'
"""


class Seen:
    """When each step was seen first, in nanoseconds since its start; by span id."""

    def __init__(self, stack: Stack) -> None:
        self.rows: dict[str, int] = {}
        self.events: dict[str, int] = {}
        self._stack = stack
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=of, daemon=True) for of in (self._watch_rows, self._watch_events)]

    def __enter__(self) -> "Seen":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()

    def wait(self, steps: int) -> None:
        """Until all steps were seen both ways."""
        deadline_s = time.monotonic() + LONGEST_WAIT_S
        while min(len(self.rows), len(self.events)) < steps:
            if time.monotonic() > deadline_s:
                raise SystemExit(f"of {steps} steps {len(self.rows)} came as rows, {len(self.events)} as events")
            time.sleep(0.1)

    def _watch_rows(self) -> None:
        with psycopg.connect(self._stack.database_url, autocommit=True) as connection:
            while not self._is_over.wait(POLL_S):
                for span_id, start_ns in connection.execute(NEW).fetchall():
                    if span_id not in self.rows:
                        self.rows[span_id] = time.time_ns() - int(start_ns)

    def _watch_events(self) -> None:
        with urlopen(f"{self._stack.api}/api/v1/live/events") as stream:
            for event in _events(stream):
                step = event.get("step", event)
                if event["type"] == "step.started" and step.get("step_name") == "work":
                    start_ns = datetime.fromisoformat(step["start_time"]).timestamp() * NS
                    self.events.setdefault(step["span_id"], time.time_ns() - int(start_ns))


def _events(stream: Any) -> Iterator[dict[str, Any]]:
    """The events of a stream, each with its type."""
    kind = ""
    for line in stream:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield {**json.loads(value), "type": kind}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--agents", type=int, default=2)
    given = parser.parse_args()
    print(machine())
    with running_stepwell() as stack, Seen(stack) as seen:
        command = [sys.executable, "-c", AGENT, stack.otlp_http, str(given.steps)]
        agents = [subprocess.Popen(command) for _ in range(given.agents)]
        for agent in agents:
            if agent.wait():
                raise SystemExit("an agent failed")
        seen.wait(given.steps * given.agents)
    rows = {"row": _cells(seen.rows), "event": _cells(seen.events)}
    print(*table(("seen as", "steps", "p50, ms", "p99, ms", "latest, ms"), rows), sep="\n")


def _cells(seen: dict[str, int]) -> list[str]:
    """Of the steps after the first ten of each."""
    delays_ms = [delay_ns / 1e6 for delay_ns in list(seen.values())[20:]]
    return [f"{len(delays_ms):,}", *(f"{quantile(delays_ms, share):,.0f}" for share in (0.5, 0.99, 1.0))]


if __name__ == "__main__":
    main()
