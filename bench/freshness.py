"""How soon a request is acknowledged, and how soon the API shows the run that it completed, at fixed rates of arrival.

    python -m bench.freshness [--rates 1000 5000] [--seconds 20] [--spans-per-request 100]

Each rate runs on a ``stepwell up`` of its own with an empty database and fsync. Requests arrive when they are due,
whatever became of those before (an open loop); both latencies count from then. Of some runs a second the time is taken
until ``GET /api/v1/executions/{trace_id}`` answers with all their steps and their outcome. When to ask the API, the
database tells, which is asked every few milliseconds for all of them at once, so that the asking costs little; what
counts is when the API's answer is there. The first seconds do not count. In the end everything is compared with what
was sent.
"""

import argparse
import math
import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from bench.bodies import Load, Plan, make_load
from bench.figures import machine, quantile, table
from bench.sending import HttpConnection, Sent, schedule, send
from bench.stack import Api, Stack, running_stepwell
from bench.truth import verify, wait_until_folded

WARM_UP_S: Final = 3.0
RUNS_PER_S: Final = 10.0
"""How many are watched."""
POLL_S: Final = 0.004
LONGEST_WAIT_S: Final = 60.0
SHOWN: Final = """
SELECT k.trace_id, e.steps_total
FROM analytics.execution_keys k
JOIN analytics.agent_executions e
    ON e.workspace_id = k.workspace_id AND e.execution_id = k.execution_id AND e.start_time = k.start_time
WHERE k.trace_id = ANY (%s)
"""
COLUMNS: Final = (
    "arriving", "requests", "acknowledged p50, ms", "p99, ms", "runs watched", "shown p50, ms", "p99, ms",
    "of it the API's answer p50, ms",
)  # fmt: skip


@dataclass(slots=True)
class Watch:
    """Watches some runs of a load from when their last request is due until the API shows them."""

    stack: Stack
    load: Load
    due_s: dict[bytes, float]
    """By trace id."""
    shown_ms: list[float] = field(default_factory=list)
    """Infinite for those that were not shown in reasonable time."""
    asked_ms: list[float] = field(default_factory=list)
    """How long the API took to answer, of that."""
    failure: BaseException | None = None

    def run(self) -> None:
        """Returns when all are shown, or after `LONGEST_WAIT_S`; `failure` is what went wrong."""
        try:
            with psycopg.connect(self.stack.database_url, autocommit=True) as connection:
                self._watch(connection, Api(self.stack.api))
        except BaseException as error:  # the border of the thread; told by `measure`
            self.failure = error

    def _watch(self, connection: psycopg.Connection[Any], api: Api) -> None:
        waiting = dict(self.due_s)
        deadline_s = max(waiting.values()) + LONGEST_WAIT_S
        while waiting:
            now_s = time.perf_counter()
            if now_s > deadline_s:
                self.shown_ms += [math.inf] * len(waiting)
                return
            due = [trace_id for trace_id, due_s in waiting.items() if due_s <= now_s]
            for trace_id, steps in connection.execute(SHOWN, (due,)).fetchall() if due else ():
                if steps == self.load.sizes[trace_id] and self._is_shown(api, trace_id):
                    self.shown_ms.append((time.perf_counter() - waiting.pop(trace_id)) * 1000)
            time.sleep(POLL_S)

    def _is_shown(self, api: Api, trace_id: bytes) -> bool:
        began_s = time.perf_counter()
        run = api.ask(f"/executions/{trace_id.hex()}")
        is_whole = run["steps_total"] == self.load.sizes[trace_id] and run["status"] in ("success", "failed")
        if is_whole:
            self.asked_ms.append((time.perf_counter() - began_s) * 1000)
        return is_whole


@dataclass(frozen=True, slots=True)
class Fresh:
    """The latencies at one rate, all in milliseconds from when the request was due."""

    acknowledged_ms: list[float]
    shown_ms: list[float]
    asked_ms: list[float]

    def cells(self) -> list[str]:
        """The row of the rate."""
        return [
            f"{len(self.acknowledged_ms):,}",
            f"{quantile(self.acknowledged_ms, 0.5):,.0f}",
            f"{quantile(self.acknowledged_ms, 0.99):,.0f}",
            f"{len(self.shown_ms):,}",
            f"{quantile(self.shown_ms, 0.5):,.0f}",
            f"{quantile(self.shown_ms, 0.99):,.0f}",
            f"{statistics.median(self.asked_ms or [math.inf]):,.0f}",
        ]


def measure(stack: Stack, load: Load, spans_per_s: float, connections: int) -> Fresh:
    """Sends the load at the rate and watches some of its runs."""
    start_s = time.perf_counter() + 1.0
    watch = Watch(stack, load, _watched(load, start_s, spans_per_s))
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    sent = send(
        load.requests,
        lambda: HttpConnection(stack.otlp_http),
        connections=connections,
        spans_per_s=spans_per_s,
        start_s=start_s,
    )
    thread.join()
    if watch.failure:
        raise watch.failure
    return Fresh(_counted_ms(sent), watch.shown_ms, watch.asked_ms)


def _watched(load: Load, start_s: float, spans_per_s: float) -> dict[bytes, float]:
    """Runs that are complete at even distances after the warm-up, each with the time when its last request is due."""
    found: dict[bytes, float] = {}
    due_s = schedule(load.requests, start_s, spans_per_s)
    next_s = start_s + WARM_UP_S
    for trace_id, place in sorted(load.last_requests.items(), key=lambda pair: pair[1]):
        if due_s[place] >= next_s:
            found[trace_id] = due_s[place]
            next_s = max(next_s + 1 / RUNS_PER_S, due_s[place])
    return found


def _counted_ms(sent: Sent) -> list[float]:
    return [answer.latency_ms for answer in sent.acknowledged if answer.due_s >= sent.start_s + WARM_UP_S]


def main() -> None:
    """Prints a table with what it was measured on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[1_000, 5_000], help="spans a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--spans-per-request", type=int, default=100)
    parser.add_argument("--connections", type=int, default=32)
    given = parser.parse_args()
    print(f"{machine()} at the start")
    rows = {}
    for rate in given.rates:
        spans = round(rate * (given.seconds + WARM_UP_S))
        load = make_load(Plan(spans, spans_per_request=given.spans_per_request))
        print(f"{rate:,.0f} spans/s: {load}")
        with running_stepwell() as stack:
            fresh = measure(stack, load, rate, given.connections)
            with psycopg.connect(stack.database_url, autocommit=True) as connection:
                wait_until_folded(connection)
            verify(stack, load)
        rows[f"{rate:,.0f} spans/s"] = fresh.cells()
    print(f"{machine()} at the end\n")
    print("\n".join(table(COLUMNS, rows)))


if __name__ == "__main__":
    main()
