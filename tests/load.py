"""A load of agent runs with known totals, as OTLP request bodies, and a sender that tries until it is acknowledged."""

import http.client
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

RETRY_S = 0.05
SEND_TIMEOUT_S = 90.0


@dataclass(frozen=True, slots=True)
class Load:
    """Request bodies and what is in them."""

    bodies: list[bytes]
    runs: int
    failed: int
    spans: int
    prompt_tokens: int
    completion_tokens: int


def load(*, runs: int, spans_per_run: int, spans_per_body: int, seed: int = 1) -> Load:
    """Runs of one agent: model and tool calls in turn, every tenth run failed, all spans in random order."""
    chance = random.Random(seed)
    now_ns = time.time_ns()
    spans: list[Span] = []
    tokens = [0, 0]
    for i in range(runs):
        run, used = _run(chance, now_ns - chance.randrange(3_600_000_000_000), spans_per_run, failed=i % 10 == 0)
        spans.extend(run)
        tokens = [tokens[0] + used[0], tokens[1] + used[1]]
    chance.shuffle(spans)
    bodies = [_body(spans[i : i + spans_per_body]) for i in range(0, len(spans), spans_per_body)]
    return Load(bodies, runs, len(range(0, runs, 10)), len(spans), *tokens)


def send(bodies: Sequence[bytes], otlp_http: str, *, threads: int = 4) -> None:
    """Posts every body until it is acknowledged, whatever happens to the server meanwhile."""
    waiting = list(reversed(bodies))
    failures: list[str] = []

    def work() -> None:
        while waiting and not failures:
            try:
                body = waiting.pop()
            except IndexError:
                return
            problem = _post_until_acknowledged(body, otlp_http)
            if problem:
                failures.append(problem)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []


def _post_until_acknowledged(body: bytes, otlp_http: str) -> str | None:
    """``None`` once it is, else what went wrong last."""
    target = urlsplit(otlp_http)
    deadline_s = time.monotonic() + SEND_TIMEOUT_S
    last = "no answer"
    while time.monotonic() < deadline_s:
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
        try:
            connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
            response = connection.getresponse()
            text = response.read()
            if response.status == 200:
                return None if not text else f"partial success: {text!r}"
            last = f"{response.status}: {text!r}"
        except (OSError, http.client.HTTPException) as error:
            last = repr(error)
        finally:
            connection.close()
        time.sleep(RETRY_S)
    return last


def _run(chance: random.Random, start_ns: int, count: int, *, failed: bool) -> tuple[list[Span], tuple[int, int]]:
    trace_id, root_id = chance.randbytes(16), chance.randbytes(8)
    spans, at_ns = [], start_ns
    prompt_tokens = completion_tokens = 0
    for i in range(count - 1):
        at_ns += 1_000_000
        given, returned = chance.randrange(1, 5000), chance.randrange(1, 500)
        is_model = i % 2 == count % 2
        if is_model:
            prompt_tokens, completion_tokens = prompt_tokens + given, completion_tokens + returned
        attributes = _model(given, returned) if is_model else _tool()
        spans.append(_span(trace_id, chance.randbytes(8), root_id, at_ns, at_ns + 900_000, attributes))
    agent = [_text("gen_ai.operation.name", "invoke_agent"), _text("gen_ai.agent.name", "load_agent")]
    root = _span(trace_id, root_id, b"", start_ns, at_ns + 1_000_000, agent)
    if failed:
        root.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="ValueError: broken"))
    return [*spans, root], (prompt_tokens, completion_tokens)


def _span(
    trace_id: bytes, span_id: bytes, parent_id: bytes, start_ns: int, end_ns: int, attributes: list[KeyValue]
) -> Span:
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent_id,
        name="step",
        start_time_unix_nano=start_ns,
        end_time_unix_nano=end_ns,
        attributes=attributes,
        flags=0x100,
    )


def _model(prompt_tokens: int, completion_tokens: int) -> list[KeyValue]:
    return [
        _text("gen_ai.operation.name", "chat"),
        _text("gen_ai.request.model", "gpt-4o"),
        _number("gen_ai.usage.input_tokens", prompt_tokens),
        _number("gen_ai.usage.output_tokens", completion_tokens),
        _text("gen_ai.input.messages", '[{"role": "user", "content": "' + "word " * 100 + '"}]'),
    ]


def _tool() -> list[KeyValue]:
    return [_text("gen_ai.operation.name", "execute_tool"), _text("gen_ai.tool.name", "search")]


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _number(key: str, value: int) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(int_value=value))


def _body(spans: Sequence[Span]) -> bytes:
    scope_spans = ScopeSpans(scope=InstrumentationScope(name="load"), spans=spans)
    resource = Resource(attributes=[_text("service.name", "load")])
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope_spans])])
    body: bytes = request.SerializeToString()
    return body
