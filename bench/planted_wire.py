"""Sends planned runs as spans, in the dialects that agents are instrumented with, and asks the API what it suggests."""

import hashlib
import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from bench.planted import AGENT, CHAIN, MODEL, TOOL, Plan, PlannedRun, PlannedStep
from bench.stack import Api
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

RUNS_AT_ONCE: Final = 60
POLL_S: Final = 0.3
LONGEST_WAIT_S: Final = 300.0
MODEL_NAME: Final = "gpt-4o-mini"

Attributes = dict[str, Any]
Dialect = Callable[[PlannedStep, PlannedRun], tuple[str, Attributes]]
"""A step → the name of its span, and its attributes."""


def genai(step: PlannedStep, run: PlannedRun) -> tuple[str, Attributes]:
    """OpenTelemetry's GenAI conventions; inputs and outputs as attributes of ours."""
    values = _values(step, "stepwell.input", "stepwell.output")
    if step.kind == AGENT:
        return f"invoke_agent {step.name}", {
            "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": step.name, **values,
        }  # fmt: skip
    if step.kind == MODEL:
        usage = _usage(step, "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
        return f"chat {MODEL_NAME}", {
            "gen_ai.operation.name": "chat", "gen_ai.request.model": MODEL_NAME, **usage, **values,
        }  # fmt: skip
    if step.kind == TOOL:
        called = _values(step, "gen_ai.tool.call.arguments", "gen_ai.tool.call.result")
        return f"execute_tool {step.name}", {
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": step.name, **called,
        }  # fmt: skip
    return step.name, values


def openinference(step: PlannedStep, run: PlannedRun) -> tuple[str, Attributes]:
    """OpenInference."""
    kinds = {AGENT: "AGENT", MODEL: "LLM", TOOL: "TOOL", CHAIN: "CHAIN"}
    found: Attributes = {
        "openinference.span.kind": kinds[step.kind],
        **_values(step, "input.value", "output.value"),
        **_usage(step, "llm.token_count.prompt", "llm.token_count.completion"),
    }
    if step.kind == MODEL:
        found["llm.model_name"] = MODEL_NAME
    if step.kind == TOOL:
        found["tool.name"] = step.name
    if step.kind == AGENT:
        found["agent.name"] = step.name
    return step.name, found


def traceloop(step: PlannedStep, run: PlannedRun) -> tuple[str, Attributes]:
    """OpenLLMetry: a workflow around tasks and tools, model calls by their request type."""
    if step.kind == MODEL:
        usage = _usage(step, "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens")
        values = _values(step, "traceloop.entity.input", "traceloop.entity.output")
        return step.name, {
            "llm.request.type": "chat", "gen_ai.request.model": MODEL_NAME, **usage, **values,
        }  # fmt: skip
    kind = {AGENT: "agent", TOOL: "tool", CHAIN: "task"}[step.kind]
    if step.parent < 0:
        kind = "workflow"
    return f"{step.name}.{kind}", {
        "traceloop.span.kind": kind,
        "traceloop.entity.name": step.name,
        **({"traceloop.workflow.name": step.name} if kind == "workflow" else {}),
        **_values(step, "traceloop.entity.input", "traceloop.entity.output"),
    }


def plain(step: PlannedStep, run: PlannedRun) -> tuple[str, Attributes]:
    """Spans of one's own: an agent by its operation, steps by their type."""
    found = _values(step, "stepwell.input", "stepwell.output")
    if step.kind == AGENT:
        return step.name, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": step.name, **found}
    if step.kind == MODEL:
        usage = _usage(step, "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
        named = {"gen_ai.operation.name": "chat", "gen_ai.request.model": MODEL_NAME}
        return step.name, {**named, **usage, "stepwell.step.type": "api_call", **found}
    return step.name, {"stepwell.step.type": "action", **found}


DIALECTS: Final[Mapping[str, Dialect]] = {
    "genai": genai, "openinference": openinference, "traceloop": traceloop, "plain": plain,
}  # fmt: skip


def _values(step: PlannedStep, input_key: str, output_key: str) -> Attributes:
    told = {input_key: step.input, output_key: step.output}
    return {key: json.dumps(value) for key, value in told.items() if value is not None}


def _usage(step: PlannedStep, prompt_key: str, completion_key: str) -> Attributes:
    if step.prompt_tokens is None:
        return {}
    return {prompt_key: step.prompt_tokens, completion_key: step.completion_tokens}


def bodies_of(plan: Plan, runs: Sequence[PlannedRun], dialect: Dialect) -> Iterator[bytes]:
    """Request bodies, some runs in each."""
    for first in range(0, len(runs), RUNS_AT_ONCE):
        part = runs[first : first + RUNS_AT_ONCE]
        resources = [
            ResourceSpans(
                resource=Resource(attributes=_attributes({"service.name": "bench", **_version(run)})),
                scope_spans=[ScopeSpans(scope=InstrumentationScope(name="bench"), spans=_spans(plan, run, dialect))],
            )
            for run in part
        ]
        yield ExportTraceServiceRequest(resource_spans=resources).SerializeToString()


def _version(run: PlannedRun) -> Attributes:
    return {"service.version": run.version} if run.version else {}


def _spans(plan: Plan, run: PlannedRun, dialect: Dialect) -> list[Span]:
    trace_id = hashlib.sha256(f"{plan.agent_id} {run.number}".encode()).digest()[:16]
    start_ns = int(run.start.timestamp() * 1_000_000) * 1_000
    spans = []
    for at, step in enumerate(run.steps):
        name, attributes = dialect(step, run)
        span = Span(
            trace_id=trace_id,
            span_id=_span_id(at),
            parent_span_id=_span_id(step.parent) if step.parent >= 0 else b"",
            name=name,
            kind=Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=start_ns + int(step.start_ms * 1e6),
            end_time_unix_nano=start_ns + int(step.end_ms * 1e6),
            attributes=_attributes(attributes),
        )
        if step.status != "success":
            span.status.code = Status.STATUS_CODE_ERROR
            span.status.message = f"{step.error_type}: it did not work"
            span.attributes.extend(_attributes({"error.type": step.error_type}))
        else:
            span.status.code = Status.STATUS_CODE_OK
        spans.append(span)
    return spans


def _span_id(at: int) -> bytes:
    return (at + 1).to_bytes(8, "big")


def _attributes(values: Mapping[str, Any]) -> list[KeyValue]:
    return [
        KeyValue(
            key=key,
            value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=str(value)),
        )
        for key, value in values.items()
        if value is not None
    ]


def send(bodies: Iterator[bytes], otlp_http: str) -> None:
    """Posts every body; raises where one is not taken."""
    parts = urlsplit(otlp_http)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    for body in bodies:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != http.HTTPStatus.OK:
            raise SystemExit(f"the receiver answered {response.status}: {answer[:200]!r}")


def ask(api: Api, plan: Plan, runs: int) -> list[dict[str, Any]]:
    """The suggestions for the agent over its window, once all of its runs are there."""
    stop = plan.start + timedelta(days=plan.days)
    window = urlencode({"from": _time(plan.start), "to": _time(stop)})
    agent = f"/agents/{quote(plan.agent_id, safe='')}"
    deadline_s = time.monotonic() + LONGEST_WAIT_S
    while _count(api, f"{agent}/analytics?{window}") < runs:
        if time.monotonic() > deadline_s:
            raise SystemExit(f"not all runs of {plan.agent_id} were there after {LONGEST_WAIT_S:.0f} s")
        time.sleep(POLL_S)
    found: list[dict[str, Any]] = api.ask(f"{agent}/suggestions?{window}")["items"]
    return found


def _count(api: Api, path: str) -> int:
    status, body = api.get(path)
    return int(json.loads(body)["statistics"]["total_executions"]) if status == http.HTTPStatus.OK else 0


def _time(time: Any) -> str:
    return str(time.isoformat()).replace("+00:00", "Z")
