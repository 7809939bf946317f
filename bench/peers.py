"""How much faster spans are queryable here than in other programs that take OTLP: the same runs, in turns.

    python -m bench.peers --folder FOLDER [--peers phoenix mlflow] [--spans 30000] [--peer-spans 3000] [--rounds 3]

The other programs come from PyPI at pinned versions into virtual environments below the folder, which are kept. They
run as `peer_servers` says, each round with an empty database, and get the first of the same runs, as many as they work
off in reasonable time; Stepwell runs with as many too, and with all. Everyone is warmed up with some other runs first.
The clock runs from the first request until the API finds everything. In the end all spans are counted; a round in
which some are missing fails.
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from bench.bodies import Load, Plan, make_load
from bench.figures import machine, spread, table
from bench.peer_servers import PEERS, POLL_S, Peer, install, running_peer
from bench.processes import Usage, usage, used_us_per_span
from bench.sending import HttpConnection, send
from bench.stack import Api, running_stepwell
from bench.truth import verify_spans, wait_until_folded

OURS: Final = "stepwell"
WARM_UP: Final = Plan(spans=800, spans_per_request=25, seed=1)
"""Many requests, so that every process of a server gets some."""
LONGEST_ROUND_S: Final = 600.0
COLUMNS: Final = ("program", "queryable, spans/s", "CPU µs per span", "Stepwell's rate is")


@dataclass(frozen=True, slots=True)
class Round:
    """Spans a second until the API finds all, and what they cost in all processes together."""

    rate: float
    us_per_span: float


def stepwell_round(load: Load, warm_up: Load, connections: int) -> Round:
    """One round over an empty database."""
    with running_stepwell() as stack, psycopg.connect(stack.database_url, autocommit=True) as database:

        def connect() -> HttpConnection:
            return HttpConnection(stack.otlp_http)

        send(warm_up.requests, connect, connections=connections)
        wait_until_folded(database)
        before = usage(stack.pid)
        sent = send(load.requests, connect, connections=connections)
        folded_s = wait_until_folded(database)
        used_us = _together_us(before, usage(stack.pid), load)
        verify_spans(database, load.span_ids | warm_up.span_ids)
        return Round(load.spans / (folded_s - sent.start_s), used_us)


def peer_round(peer: Peer, programs: Path, load: Load, warm_up: Load, connections: int) -> Round:
    """The same for a peer."""
    with running_peer(peer, programs) as (pid, url):
        api = Api(url, "")

        def connect() -> HttpConnection:
            return HttpConnection(url, headers=peer.headers)

        send(warm_up.requests, connect, connections=connections)
        wait_until_found(peer, api, warm_up)
        before = usage(pid)
        sent = send(load.requests, connect, connections=connections)
        found_s = wait_until_found(peer, api, warm_up, load)
        used_us = _together_us(before, usage(pid), load)
        if (stored := peer.stored(api)) != load.spans + warm_up.spans:
            raise SystemExit(f"{peer.name} has {stored} spans, {load.spans + warm_up.spans} were sent")
        return Round(load.spans / (found_s - sent.start_s), used_us)


def wait_until_found(peer: Peer, api: Api, *loads: Load) -> float:
    """When (`time.perf_counter`) the peer's API found everything of the loads."""
    wanted = sum(len(load.sizes) if peer.counts_traces else load.spans for load in loads)
    deadline_s = time.perf_counter() + LONGEST_ROUND_S
    while (found := peer.queryable(api)) < wanted:
        if time.perf_counter() > deadline_s:
            raise SystemExit(f"{peer.name} finds {found} of {wanted} after {LONGEST_ROUND_S:.0f} s")
        time.sleep(POLL_S)
    return time.perf_counter()


def _together_us(before: Mapping[str, Usage], after: Mapping[str, Usage], load: Load) -> float:
    return sum(used_us_per_span(before, after, load.spans).values())


def measure(contenders: Mapping[str, Callable[[], Round]], rounds: int) -> dict[str, list[Round]]:
    """Lets everyone have a round in turn."""
    found: dict[str, list[Round]] = defaultdict(list)
    for _ in range(rounds):
        for name, run in contenders.items():
            found[name].append(run())
            print(f"{name}: {found[name][-1].rate:,.0f} spans/s", flush=True)
    return found


def main() -> None:
    """Prints a table with what it was measured on."""
    given = _arguments()
    programs = {name: install(PEERS[name], given.folder) for name in given.peers}
    warm_up, many, few = make_load(WARM_UP), make_load(Plan(given.spans)), make_load(Plan(given.peer_spans))
    print(f"{machine()} at the start; n = {given.rounds}; {OURS}: {many}; others: {few}")
    ours = f"{OURS}, {many.spans:,} spans"
    contenders: dict[str, Callable[[], Round]] = {
        ours: lambda: stepwell_round(many, warm_up, given.connections),
        f"{OURS}, {few.spans:,} spans": lambda: stepwell_round(few, warm_up, given.connections),
    }
    for name in given.peers:
        told = f"{name} ({PEERS[name].requirements[0]}), {few.spans:,} spans"
        contenders[told] = _round_of(PEERS[name], programs[name], few, warm_up, given.connections)
    found = measure(contenders, given.rounds)
    print(f"{machine()} at the end\n")
    best = statistics.median(one.rate for one in found[ours])
    rows = {name: _cells(rounds, best) for name, rounds in found.items()}
    print("\n".join(table(COLUMNS, rows)))


def _round_of(peer: Peer, programs: Path, load: Load, warm_up: Load, connections: int) -> Callable[[], Round]:
    return lambda: peer_round(peer, programs, load, warm_up, connections)


def _cells(rounds: list[Round], best: float) -> list[str]:
    rates = [one.rate for one in rounds]
    ratio = best / statistics.median(rates)
    return [spread(rates), spread([one.us_per_span for one in rounds]), f"{ratio:,.1f} times as high"]


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the programs are installed")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=["phoenix", "mlflow"])
    parser.add_argument("--spans", type=int, default=30_000, help="that Stepwell gets")
    parser.add_argument("--peer-spans", type=int, default=3_000, help="that the others get")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    return parser.parse_args()


if __name__ == "__main__":
    main()
