"""How fast spans go the whole way: acknowledged by the receiver, and folded into runs; and what it costs.

    python -m bench.ingest [--spans 60000] [--rounds 3] [--rate SPANS_PER_S]
        [--transport http grpc] [--payload large small] [--compression none gzip] [--duplicates 0.05]

Every case (the product of what is given) runs on a ``stepwell up`` of its own with an empty database and fsync, as many
rounds as asked for. Requests are made before the clock starts. Without a rate they go as fast as they are acknowledged
over a fixed number of connections; with one, each when it is due, and latency counts from then.
In the end every span id, every agent's runs and tokens and the ledger are compared with what was sent: a round that
loses, doubles or makes up a single one fails the benchmark.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import psycopg
from bench.bodies import OTLP_BATCH_SPANS, Compression, Load, Plan, make_load
from bench.figures import machine, quantile, spread, table
from bench.processes import usage, used_us_per_span
from bench.runs import Payload
from bench.sending import Connection, GrpcConnection, HttpConnection, Sent, Transport, send
from bench.stack import Stack, running_stepwell
from bench.truth import verify, wait_until_folded

ROLES: Final = ("receiver", "worker", "postgres", "api", "generator")
COLUMNS: Final = (
    "case", "acknowledged, spans/s", "folded, spans/s", "last fold after last ack., s", "ack. p50, ms", "ack. p99, ms",
    *[f"{role}, µs" for role in ROLES], "receiver, worker MB",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """How the requests go to the receiver."""

    transport: Transport
    payload: Payload
    compression: Compression

    def __str__(self) -> str:
        return f"{self.transport}, {self.payload}, {self.compression}"

    def connect(self, stack: Stack) -> Callable[[], Connection]:
        """Opens a connection to the stack."""
        if self.transport == "grpc":
            return lambda: GrpcConnection(stack.otlp_grpc, self.compression)
        return lambda: HttpConnection(stack.otlp_http, self.compression)


@dataclass(frozen=True, slots=True)
class Round:
    """The figures of one round."""

    acknowledged_s: float
    folded_s: float
    p50_ms: float
    p99_ms: float
    refusals: int
    thirds: list[float]
    """Spans a second that were acknowledged in each third of the time."""
    us_per_span: dict[str, float]
    peak_mb: dict[str, float]


@dataclass(frozen=True, slots=True)
class Options:
    """What is the same for all cases."""

    rounds: int = 1
    connections: int = 8
    spans_per_s: float | None = None
    stack: Sequence[str] = ()
    """Options of ``stepwell up``."""


def measure(stack: Stack, load: Load, connect: Callable[[], Connection], options: Options) -> Round:
    """Sends the load and waits until it is folded; does not verify."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        before, generator_s = usage(stack.pid), time.process_time()
        sent = send(load.requests, connect, connections=options.connections, spans_per_s=options.spans_per_s)
        generator_s = time.process_time() - generator_s
        folded_s = wait_until_folded(connection)
        after = usage(stack.pid)
    used = used_us_per_span(before, after, load.spans_sent) | {"generator": generator_s * 1e6 / load.spans_sent}
    return _round(load, sent, folded_s, used, {role: told.peak_mb for role, told in after.items()})


def _round(load: Load, sent: Sent, folded_s: float, us_per_span: dict[str, float], peak_mb: dict[str, float]) -> Round:
    latencies_ms = [answer.latency_ms for answer in sent.acknowledged]
    third_s = (sent.last_s - sent.start_s) / 3
    spans = [0, 0, 0]
    for answer in sent.acknowledged:
        spans[min(int((answer.done_s - sent.start_s) / third_s), 2)] += load.requests[answer.place].spans
    return Round(
        acknowledged_s=sent.last_s - sent.start_s,
        folded_s=folded_s - sent.start_s,
        p50_ms=quantile(latencies_ms, 0.5),
        p99_ms=quantile(latencies_ms, 0.99),
        refusals=sent.refusals,
        thirds=[count / third_s for count in spans],
        us_per_span=us_per_span,
        peak_mb=peak_mb,
    )


def run_case(case: Case, plan: Plan, options: Options) -> tuple[Load, list[Round]]:
    """Every round of a case, each on a stack of its own."""
    # gRPC compresses by itself.
    load = make_load(plan, case.compression if case.transport == "http" else "none")
    rounds = []
    for _ in range(options.rounds):
        with running_stepwell(options=options.stack) as stack:
            rounds.append(measure(stack, load, case.connect(stack), options))
            verify(stack, load)
    return load, rounds


def cells(load: Load, rounds: Sequence[Round]) -> list[str]:
    """The row of a case."""
    return [
        spread([load.spans_sent / one.acknowledged_s for one in rounds]),
        spread([load.spans_sent / one.folded_s for one in rounds]),
        spread([one.folded_s - one.acknowledged_s for one in rounds], 2),
        spread([one.p50_ms for one in rounds]),
        spread([one.p99_ms for one in rounds]),
        *[spread([one.us_per_span.get(role, 0.0) for one in rounds]) for role in ROLES],
        ", ".join(f"{max(one.peak_mb.get(role, 0.0) for one in rounds):,.0f}" for role in ("receiver", "worker")),
    ]


def main() -> None:
    """Prints a table with what it was measured on."""
    given = _arguments()
    plan_of = _plans(given)
    receivers = ["--receivers", str(given.receivers)] if given.receivers > 1 else []
    options = Options(given.rounds, given.connections or (32 if given.rate else 8), given.rate, receivers)
    print(f"{machine()} at the start; n = {options.rounds}; {given.receivers} receiver(s)")
    rows = {}
    for case in itertools.starmap(Case, itertools.product(given.transport, given.payload, given.compression)):
        load, rounds = run_case(case, plan_of(case), options)
        refusals = sum(one.refusals for one in rounds)
        thirds = ", ".join(
            f"{statistics.median(rates):,.0f}" for rates in zip(*[one.thirds for one in rounds], strict=True)
        )
        print(f"{case}: {load}; {refusals} requests had to be sent again; acknowledged by thirds: {thirds} spans/s")
        rows[str(case)] = cells(load, rounds)
    print(f"{machine()} at the end\n")
    print("\n".join(table(COLUMNS, rows)))


def _plans(given: argparse.Namespace) -> Callable[[Case], Plan]:
    spread_s = given.days * 86_400.0
    return lambda case: Plan(given.spans, case.payload, given.spans_per_request, given.duplicates, spread_s)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, help="spans a second that arrive (open loop)")
    parser.add_argument("--connections", type=int, help="8 by default, 32 at a fixed rate")
    parser.add_argument("--transport", nargs="+", choices=get_args(Transport), default=["http"])
    parser.add_argument("--payload", nargs="+", choices=get_args(Payload), default=["large"])
    parser.add_argument("--compression", nargs="+", choices=get_args(Compression), default=["none"])
    parser.add_argument("--spans-per-request", type=int, default=OTLP_BATCH_SPANS)
    parser.add_argument("--duplicates", type=float, default=0.0, help="share of the requests that comes twice")
    parser.add_argument("--days", type=float, default=1 / 24, help="before now in which the runs started")
    parser.add_argument("--receivers", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
