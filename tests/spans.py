"""Builds spans and steps for tests with a fixed clock and ids: names of spans stand for their ids."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stepwell_receiver import wire
from stepwell_receiver.mapping import map_request
from stepwell_storage.model import Step

TRACE_ID = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
START_NS = 1_790_000_000_000_000_000
MS = 1_000_000
REMOTE_KNOWN = 0x100


def span_id(name: str) -> bytes:
    """The id that a span's key stands for."""
    return hashlib.sha256(name.encode()).digest()[:8]


@dataclass(slots=True)
class Sent:
    """A span to send. `at_ms` counts from the fixed start; `key` gives its id, `parent` its parent's key."""

    key: str
    attributes: dict[str, Any] = field(default_factory=dict)
    parent: str | None = None
    name: str | None = None
    at_ms: float = 0
    for_ms: float = 10
    kind: int = wire.KIND_INTERNAL
    status: int = wire.STATUS_UNSET
    message: str = ""
    events: Sequence[wire.Event] = ()
    flags: int = REMOTE_KNOWN
    scope: str = "tests"
    trace_id: bytes = TRACE_ID

    def wire(self) -> wire.Span:
        """As the decoders give it."""
        start_ns = START_NS + round(self.at_ms * MS)
        return wire.Span(
            trace_id=self.trace_id,
            span_id=span_id(self.key),
            parent_span_id=span_id(self.parent) if self.parent else b"",
            name=self.key if self.name is None else self.name,
            kind=self.kind,
            start_ns=start_ns,
            end_ns=start_ns + round(self.for_ms * MS),
            attributes=dict(self.attributes),
            events=list(self.events),
            links=[],
            status_code=self.status,
            status_message=self.message,
            flags=self.flags,
        )


def agent(key: str, name: str | None = None, **more: Any) -> Sent:
    """An agent's span by OpenTelemetry's conventions."""
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name or key}
    attributes |= more.pop("attributes", {})
    return Sent(key, attributes, **{"name": f"invoke_agent {name or key}", **more})


def chat(key: str, tokens: tuple[int, int] | None = (100, 10), *, reason: str | None = "stop", **more: Any) -> Sent:
    """A model call by OpenTelemetry's conventions; without tokens and reason it returned nothing."""
    attributes: dict[str, Any] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
    if tokens:
        attributes |= {"gen_ai.usage.input_tokens": tokens[0], "gen_ai.usage.output_tokens": tokens[1]}
    if reason:
        attributes["gen_ai.response.finish_reasons"] = [reason]
    attributes |= more.pop("attributes", {})
    return Sent(key, attributes, **{"name": "chat gpt-4o", "kind": wire.KIND_CLIENT, **more})


def tool(key: str, name: str = "search", **more: Any) -> Sent:
    """A tool call by OpenTelemetry's conventions."""
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    attributes |= more.pop("attributes", {})
    return Sent(key, attributes, **{"name": f"execute_tool {name}", **more})


def exception(error_type: str, message: str) -> wire.Event:
    """An exception event as the SDKs record it."""
    return wire.Event("exception", START_NS, {"exception.type": error_type, "exception.message": message})


RESOURCE: wire.Attributes = {
    "service.name": "shop",
    "service.version": "1.4.0",
    "deployment.environment.name": "production",
}


def request(*spans: Sent, resource: wire.Attributes | None = None) -> wire.TraceRequest:
    """A decoded request with one group for each scope."""
    groups: dict[str, wire.SpanGroup] = {}
    for sent in spans:
        group = groups.setdefault(
            sent.scope, wire.SpanGroup(RESOURCE if resource is None else resource, wire.Scope(sent.scope), [])
        )
        group.spans.append(sent.wire())
    return wire.TraceRequest(list(groups.values()))


def steps(*spans: Sent, resource: wire.Attributes | None = None) -> list[Step]:
    """The spans, mapped."""
    return map_request(request(*spans, resource=resource), max_attribute_bytes=1024 * 1024)


def step(sent: Sent, resource: wire.Attributes | None = None) -> Step:
    """One span, mapped."""
    return steps(sent, resource=resource)[0]
