"""What a span costs the receiver before the database: CPU time of its parts, without transports and commits.

    python -m bench.decoding [--spans 8000] [--passes 15]

Takes the requests of `ingest` apart in this process and on one thread. Each part of each request counts with its
fastest pass, for what else the machine does can only slow it down. The first pass, in a process that has seen nothing
yet, is told beside it: it has all to learn.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any, Final, get_args

from bench.bodies import Plan, make_load
from bench.figures import machine, table
from bench.runs import Payload

from stepwell_receiver.bodies import decompress
from stepwell_receiver.mapping import map_request
from stepwell_receiver.protobuf import decode_traces
from stepwell_receiver.validation import reject_invalid
from stepwell_receiver.wire import TraceRequest
from stepwell_storage import step_rows
from stepwell_storage.model import Step, StepRow
from stepwell_storage.settings import Settings

_LIMITS: Final = Settings(database_url="")


def _gunzip(body: bytes) -> bytes:
    return decompress(body, "gzip", limit_bytes=_LIMITS.max_request_bytes)


def _map(request: TraceRequest) -> list[Step]:
    reject_invalid(request)
    return map_request(request, max_attribute_bytes=_LIMITS.max_attribute_bytes)


def _write(steps: list[Step]) -> list[StepRow]:
    return [step_rows.encode(step) for step in steps]


PARTS: Final[dict[str, Callable[[Any], Any]]] = {
    "gunzip": _gunzip,
    "decode": decode_traces,
    "validate and map": _map,
    "write rows": _write,
}
"""In their order; each takes what the one before gives."""


def costs_ns(body: bytes) -> list[int]:
    """CPU nanoseconds of each part for one request."""
    found, value = [], body
    for part in PARTS.values():
        before_ns = time.thread_time_ns()
        value = part(value)
        found.append(time.thread_time_ns() - before_ns)
    return found


def measure(payload: Payload, spans: int, passes: int) -> tuple[list[float], list[float]]:
    """CPU microseconds a span of each part, in the first pass and at best."""
    load = make_load(Plan(spans, payload), "gzip")
    rounds = [[costs_ns(request.body) for request in load.requests] for _ in range(passes)]
    best = [[min(costs) for costs in zip(*of_request, strict=True)] for of_request in zip(*rounds, strict=True)]
    return _per_span(rounds[0], load.spans_sent), _per_span(best, load.spans_sent)


def _per_span(costs: list[list[int]], spans: int) -> list[float]:
    return [sum(of_part) / spans / 1000 for of_part in zip(*costs, strict=True)]


def main() -> None:
    """Measures both sizes of payload and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=8_000)
    parser.add_argument("--passes", type=int, default=15)
    given = parser.parse_args()
    rows: dict[str, list[str]] = {}
    for payload in get_args(Payload):
        for name, costs in zip(("first pass", "best"), measure(payload, given.spans, given.passes), strict=True):
            rows[f"{payload}, {name}"] = [f"{cost:.1f}" for cost in (*costs, sum(costs))]
    print(f"{machine()}; CPU µs per span\n")
    print("\n".join(table(("payload", *PARTS, "together"), rows)))


if __name__ == "__main__":
    main()
