"""What an agent pays for reporting itself: a step above OpenTelemetry's SDK alone, a run of slow steps, and the import.

    python -m bench.overhead [--steps 2000] [--rounds 15] [--repeats 3]

Every case runs in processes of its own, in turns, against an OTLP sink in another process that reads and acknowledges.

- *bare* writes its spans by hand with OpenTelemetry's SDK, its batch processor and OTLP exporter: one for the agent and
  one for each step, with the same names, attributes and content as those of *stepwell*, which are made by
  ``@stepwell.agent`` and ``@stepwell.step``, captured, masked and sent when they start and when they end.
  Steps do nothing themselves. *none* calls the same functions as they are.
- *thread* is the processor time of the agent's thread, *process* that of all threads until everything is sent.
- Another load on the machine only adds, so that the lowest figures are told beside the medians.
- The share of a run is what a run of steps of 10 ms takes longer than without anything.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, get_args

from bench.figures import machine, spread, table

from stepwell.auto.command import SITE
from stepwell.auto.start import TOLD

Case = Literal["none", "bare", "stepwell"]
CASES: Final[tuple[Case, ...]] = get_args(Case)
STEPS_OF_RUN: Final = 20
SLOW_STEP_S: Final = 0.01
SLOW_STEPS: Final = 50
INSTRUMENTED: Final = "what `stepwell instrument` adds"
IMPORTS: Final = {
    "nothing": "pass",
    "opentelemetry-sdk and its OTLP exporter": (
        "import opentelemetry.sdk.trace.export, opentelemetry.exporter.otlp.proto.http.trace_exporter"
    ),
    "stepwell": "import stepwell",
    "stepwell, configured": "import stepwell; stepwell.configure()",
    INSTRUMENTED: "pass",
}
IMPORT_ROUNDS: Final = 15
Step = Callable[[str, float], dict[str, Any]]
Run = Callable[[int, Step], None]


def lookup(order_id: str, amount: float) -> dict[str, Any]:
    """A step's work: none, with input and output of a usual size."""
    return {"order_id": order_id, "amount": amount, "state": "paid", "items": ["book", "lamp"]}


def slow(order_id: str, amount: float) -> dict[str, Any]:
    """A step that waits, as for a model's answer."""
    time.sleep(SLOW_STEP_S)
    return lookup(order_id, amount)


def refund(steps: int, step: Step) -> None:
    """An agent's run."""
    for number in range(steps):
        step(f"ORD-{number}", 39.9)


class Prepared:
    """An agent and its steps, reported or not, and how to wait until all is sent."""

    def __init__(self, run: Run, as_step: Callable[[Step], Step], flush: Callable[[], object]) -> None:
        self.run = run
        self.as_step = as_step
        self.flush = flush


def prepared(case: Case) -> Prepared:
    """What a process of this case runs."""
    return {"none": _unreported, "bare": _by_hand, "stepwell": _decorated}[case]()


def _unreported() -> Prepared:
    return Prepared(refund, lambda step: step, lambda: None)


def _decorated() -> Prepared:
    import stepwell

    client = stepwell.configure()
    assert client is not None
    agent = stepwell.agent("refunds", capture=False)(refund)
    return Prepared(agent, stepwell.step, lambda: client.flush(60))


def _by_hand() -> Prepared:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), max_queue_size=20_000))
    trace.set_tracer_provider(provider)
    tracer = trace.get_tracer("bench")

    def as_step(function: Step) -> Step:
        name = function.__name__
        attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "stepwell.step.type": "action"}

        def step(order_id: str, amount: float) -> dict[str, Any]:
            with tracer.start_as_current_span(f"execute_tool {name}", attributes=attributes) as span:
                span.set_attribute("gen_ai.tool.call.arguments", json.dumps({"order_id": order_id, "amount": amount}))
                result = function(order_id, amount)
                span.set_attribute("gen_ai.tool.call.result", json.dumps(result))
                return result

        return step

    def run(steps: int, step: Step) -> None:
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "refunds"}
        with tracer.start_as_current_span("invoke_agent refunds", attributes=attributes):
            refund(steps, step)

    return Prepared(run, as_step, lambda: provider.force_flush(60_000))


def measure(case: Case, steps: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds a step by processor time, and milliseconds of a run of slow steps, one figure a round."""
    ready = prepared(case)
    fast, waiting = ready.as_step(lookup), ready.as_step(slow)
    found: dict[str, list[float]] = {"thread_us": [], "process_us": [], "slow_run_ms": [], "slow_process_ms": []}
    for number in range(rounds + 1):
        thread_s, process_s = time.thread_time(), time.process_time()
        for _ in range(steps // STEPS_OF_RUN):
            ready.run(STEPS_OF_RUN, fast)
        in_thread_us = (time.thread_time() - thread_s) / steps * 1e6
        ready.flush()
        in_process_us = (time.process_time() - process_s) / steps * 1e6
        start_s, process_s = time.perf_counter(), time.process_time()
        ready.run(SLOW_STEPS, waiting)
        slow_run_ms = (time.perf_counter() - start_s) * 1e3
        slow_process_ms = (time.process_time() - process_s) * 1e3
        if number:  # the first warms up
            found["thread_us"].append(in_thread_us)
            found["process_us"].append(in_process_us)
            found["slow_run_ms"].append(slow_run_ms)
            found["slow_process_ms"].append(slow_process_ms)
    ready.flush()
    return found


class _Sink(BaseHTTPRequestHandler):
    """Takes everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def serve() -> None:
    """The sink's process: prints its port and serves until it is ended."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Sink) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


@contextmanager
def sink() -> Iterator[str]:
    """Address of an OTLP sink in a process of its own."""
    with subprocess.Popen([sys.executable, "-m", "bench.overhead", "--sink"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def measured(case: Case, address: str, steps: int, rounds: int) -> dict[str, list[float]]:
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "bench.overhead", "--case", case, "--steps", str(steps), "--rounds", str(rounds)]
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": address}
    found: dict[str, list[float]] = json.loads(subprocess.check_output(command, env=environment))
    return found


def import_times() -> dict[str, tuple[list[float], list[float]]]:
    """Milliseconds of wall and of processor time of an interpreter that runs each line and ends, in turns."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in IMPORTS}
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", TOLD: "1"}
    instrument = {"PYTHONPATH": os.pathsep.join((str(SITE), os.environ.get("PYTHONPATH", "")))}
    for number in range(IMPORT_ROUNDS + 1):
        for name, line in IMPORTS.items():
            before, start_s = os.times(), time.perf_counter()
            added = instrument if name == INSTRUMENTED else {}
            subprocess.run([sys.executable, "-c", line], check=True, env=environment | added)
            wall_ms, after = (time.perf_counter() - start_s) * 1e3, os.times()
            used_s = after.children_user - before.children_user + after.children_system - before.children_system
            if number:
                found[name][0].append(wall_ms)
                found[name][1].append(used_s * 1e3)
    return found


def report(figures: dict[Case, dict[str, list[float]]]) -> Iterator[str]:
    """Tables of medians, and what the targets are about."""
    slow = f"run of {SLOW_STEPS} steps of 10 ms"
    columns = ("case", "thread, µs a step", "process, µs a step", f"{slow}, ms", f"{slow}, processor time, ms")
    rows: dict[str, list[str]] = {case: [spread(values, 1) for values in figures[case].values()] for case in CASES}
    yield from table(columns, rows)
    for word, of in (("medians", statistics.median), ("lowest", min)):
        found = {case: {name: of(values) for name, values in figures[case].items()} for case in CASES}
        for name, where in (("thread_us", "in the agent's thread"), ("process_us", "in the whole process")):
            above_us = found["stepwell"][name] - found["bare"][name]
            yield f"{word}: a step above the bare SDK, {where}: {above_us:.1f} µs (target: 25)"
        share = found["stepwell"]["slow_run_ms"] / found["none"]["slow_run_ms"] - 1
        yield f"{word}: a run of steps of 10 ms is longer by {share:.2%} (target: 1 %)"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--sink", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.sink:
        serve()
    elif given.case:
        print(json.dumps(measure(given.case, given.steps, given.rounds)))
    else:
        compare(given.steps, given.rounds, given.repeats)


def compare(steps: int, rounds: int, repeats: int) -> None:
    """All cases in turns, then the imports."""
    print(machine())
    figures: dict[Case, dict[str, list[float]]] = {case: {} for case in CASES}
    with sink() as address:
        for _ in range(repeats):
            for case in CASES:
                for name, values in measured(case, address, steps, rounds).items():
                    figures[case].setdefault(name, []).extend(values)
    print(*report(figures), sep="\n")
    times = import_times()
    rows = {name: [spread(wall), spread(used)] for name, (wall, used) in times.items()}
    print(*table(("an interpreter with", "ms", "processor time, ms"), rows), sep="\n")


if __name__ == "__main__":
    main()
