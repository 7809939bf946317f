"""How many spans a second go the whole way: acknowledged by the receiver, and folded so that the API shows them.

    python -m bench.ingest [--traces 5000] [--senders 8] [--spans-per-request 200] [--receivers 1]

Starts a ``stepwell up`` of its own in a temporary folder, with fsync. Requests are made before the clock starts, and
senders post them over connections that stay open. It ends when analytics show every run and every token that was
sent, so a figure that is printed is also a proof.
"""

import argparse
import contextlib
import http.client
import json
import os
import platform
import queue
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bench.processes import cpu_seconds
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

SPANS_PER_TRACE = 6
PROMPT_TOKENS, COMPLETION_TOKENS = 1200, 80
MODEL_CALLS = 3
TEXT = "The customer asks for a refund of an order that arrived late; look it up, check the rules, then answer. " * 12
POLL_S = 0.05
LONGEST_WAIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds from the first byte sent."""

    acknowledged_s: float
    folded_s: float


def make_requests(traces: int, spans_per_request: int) -> list[bytes]:
    """Encoded requests: the spans of all traces in order, children before their agent, as exporters send them."""
    dice, now_ns = random.Random(1), time.time_ns()
    spans = [span for _ in range(traces) for span in _trace(dice, now_ns)]
    bodies = []
    for start in range(0, len(spans), spans_per_request):
        scope_spans = ScopeSpans(spans=spans[start : start + spans_per_request])
        scope_spans.scope.name = "bench"
        resource_spans = ResourceSpans(scope_spans=[scope_spans])
        resource_spans.resource.attributes.append(_attribute("service.name", "bench"))
        bodies.append(ExportTraceServiceRequest(resource_spans=[resource_spans]).SerializeToString())
    return bodies


def _trace(dice: random.Random, now_ns: int) -> Iterator[Span]:
    trace_id, root_id = dice.randbytes(16), dice.randbytes(8)
    start_ns = now_ns - dice.randrange(3_600_000_000_000)
    for number in range(SPANS_PER_TRACE - 1):
        is_model = number % 2 == 0
        named: dict[str, str | int] = {"gen_ai.operation.name": "chat" if is_model else "execute_tool"}
        if is_model:
            named |= {"gen_ai.request.model": "gpt-5-mini", "gen_ai.input.messages": json.dumps([TEXT])}
            named |= {"gen_ai.usage.input_tokens": PROMPT_TOKENS, "gen_ai.usage.output_tokens": COMPLETION_TOKENS}
        else:
            named |= {"gen_ai.tool.name": f"tool_{number}", "gen_ai.tool.call.result": json.dumps(TEXT)}
        name = "chat gpt-5-mini" if is_model else f"execute_tool tool_{number}"
        child_start_ns = start_ns + number * 20_000_000
        yield _span(trace_id, dice.randbytes(8), root_id, name, child_start_ns, 15_000_000, named)
    agent: dict[str, str | int] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": f"agent_{dice.randrange(10)}",
        "stepwell.output": json.dumps(TEXT),
    }
    yield _span(trace_id, root_id, b"", "invoke_agent", start_ns, 120_000_000, agent)


def _span(
    trace_id: bytes, span_id: bytes, parent: bytes, name: str, start_ns: int, ns: int, named: dict[str, str | int]
) -> Span:
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent,
        name=name,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + ns,
        attributes=[_attribute(key, value) for key, value in named.items()],
    )


def _attribute(key: str, value: str | int) -> KeyValue:
    held = AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
    return KeyValue(key=key, value=held)


@contextlib.contextmanager
def running_stepwell(receivers: int) -> Iterator[tuple[int, dict[str, str]]]:
    """Process id and addresses of a Stepwell in a temporary folder."""
    ports = ["--port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "stepwell_api.cli", "up", "--data-dir", f"{folder}/data", *ports]
        if receivers > 1:
            command += ["--receivers", str(receivers)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STEPWELL_")}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield process.pid, json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def measure(addresses: dict[str, str], bodies: Sequence[bytes], traces: int, senders: int) -> Measured:
    """Sends everything and waits until it is shown."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for body in bodies:
        waiting.put(body)
    failures: list[str] = []
    threads = [threading.Thread(target=_send, args=(addresses["otlp_http"], waiting, failures)) for _ in range(senders)]
    start_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    acknowledged_s = time.perf_counter() - start_s
    if failures:
        raise SystemExit(f"{len(failures)} requests were refused, the first with: {failures[0]}")
    wanted = {
        "total_executions": traces,
        "successful": traces,
        "prompt_tokens": traces * MODEL_CALLS * PROMPT_TOKENS,
        "completion_tokens": traces * MODEL_CALLS * COMPLETION_TOKENS,
    }
    while (shown := _statistics(addresses["api"])) | wanted != shown:
        if time.perf_counter() - start_s > LONGEST_WAIT_S:
            raise SystemExit(f"Shown is {shown}, sent was {wanted}")
        time.sleep(POLL_S)
    return Measured(acknowledged_s, time.perf_counter() - start_s)


def _send(url: str, waiting: "queue.SimpleQueue[bytes]", failures: list[str]) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    while True:
        try:
            body = waiting.get_nowait()
        except queue.Empty:
            return
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200 or answer:  # a full success is an empty message
            failures.append(f"{response.status} {answer!r}")


def _statistics(api: str) -> dict[str, Any]:
    parts = urlsplit(api)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request("GET", "/api/v1/analytics")
    statistics: dict[str, Any] = json.loads(connection.getresponse().read())["statistics"]
    connection.close()
    return statistics


def main() -> None:
    """Prints the figures with what they were measured on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=5000)
    parser.add_argument("--senders", type=int, default=8)
    parser.add_argument("--spans-per-request", type=int, default=200)
    parser.add_argument("--receivers", type=int, default=1)
    arguments = parser.parse_args()
    bodies = make_requests(arguments.traces, arguments.spans_per_request)
    spans, size_bytes = arguments.traces * SPANS_PER_TRACE, sum(map(len, bodies))
    with running_stepwell(arguments.receivers) as (pid, addresses):
        before_s = cpu_seconds(pid)
        measured = measure(addresses, bodies, arguments.traces, arguments.senders)
        after_s = cpu_seconds(pid)
    print(f"machine             {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"sent                {spans:,} spans of {size_bytes / spans:,.0f} bytes, {arguments.traces:,} traces")
    print(f"acknowledged        {spans / measured.acknowledged_s:,.0f} spans/s")
    print(f"shown by analytics  {spans / measured.folded_s:,.0f} spans/s")
    used = {role: (after_s[role] - before_s.get(role, 0.0)) / spans * 1e6 for role in sorted(after_s)}
    told = ", ".join(f"{role} {us:.0f}" for role, us in used.items())
    print(f"CPU µs per span     {told}; together {sum(used.values()):.0f}")


if __name__ == "__main__":
    main()
