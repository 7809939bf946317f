"""Requests as exporters send them, made before the clock starts, with the truth about what is in them.

Each service is one exporter: it has several runs going on at once and sends their spans as they end, so that steps come
before their agent, and runs are cut in pieces by the borders of requests. Some requests may come twice, and some
spans a second time in a later request.
"""

import gc
import gzip
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from bench.runs import AGENTS, Payload, Run, RunMaker, Sum, agent_name, attribute
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

Compression = Literal["none", "gzip"]

SEED: Final = 5
RUNS_AT_ONCE: Final = 16
SERVICES: Final = AGENTS // 4
GZIP_LEVEL: Final = 6
"""That of the OpenTelemetry exporters."""
OTLP_BATCH_SPANS: Final = 512
"""How many spans the OpenTelemetry SDKs put into one request by default."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load shall be."""

    spans: int
    payload: Payload = "large"
    spans_per_request: int = OTLP_BATCH_SPANS
    duplicates: float = 0.0
    """Share of the requests that come twice; half as large a share of the spans comes again in other requests."""
    spread_s: float = 600.0
    """How long before now the runs started, at most."""
    seed: int = SEED
    """Another one gives other runs."""


@dataclass(frozen=True, slots=True)
class Request:
    """One body and how many spans it holds."""

    body: bytes
    spans: int
    raw_bytes: int
    """Before compression."""


@dataclass(slots=True)
class Load:
    """The requests in their order, and what they add up to, with every span counted once."""

    requests: list[Request] = field(default_factory=list)
    agents: dict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    span_ids: set[tuple[bytes, bytes]] = field(default_factory=set)
    """Trace id and span id of all."""
    earliest_ns: int = 0
    sizes: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    """Spans by trace id."""
    last_requests: dict[bytes, int] = field(default_factory=dict)
    """By trace id the place of the request after which a run is whole."""

    @property
    def spans_sent(self) -> int:
        """Repeated ones included."""
        return sum(request.spans for request in self.requests)

    @property
    def spans(self) -> int:
        """How many different ones there are."""
        return len(self.span_ids)

    @property
    def bytes_per_span(self) -> float:
        """Before compression."""
        return sum(request.raw_bytes for request in self.requests) / self.spans_sent

    def __str__(self) -> str:
        return (
            f"{self.spans_sent:,} spans of {self.bytes_per_span:,.0f} bytes in {len(self.requests):,} requests, "
            f"{self.spans:,} different ones in {len(self.sizes):,} runs"
        )


def make_load(plan: Plan, compression: Compression = "none") -> Load:
    """The load of a plan: the same ids and texts each time, with times before now."""
    now_ns = time.time_ns()
    load = Load(earliest_ns=now_ns - round(plan.spread_s * 1e9))
    maker = RunMaker(plan.seed, plan.payload, now_ns, plan.spread_s)
    repetition = _Repetition(plan.duplicates)
    for service, spans in _batches(_runs(maker, plan.spans, load), plan.spans_per_request):
        load.last_requests.update((span.trace_id, len(load.requests)) for span in spans)
        load.requests.append(_request(service, spans, compression))
        repetition.after(load, service, spans)
    for service, spans in repetition.late(plan.spans_per_request):
        load.requests.append(_request(service, spans, compression))
    gc.freeze()  # looking through all of it again and again would hold up the senders
    return load


def _runs(maker: RunMaker, wanted: int, load: Load) -> Iterator[Run]:
    """Runs until there are enough spans; the load learns what they add up to."""
    made = 0
    while made < wanted:
        run = maker.make()
        made += len(run.spans)
        told = load.agents[agent_name(run.agent)]
        told.executions += 1
        told.failed += run.added.failed
        told.prompt_tokens += run.added.prompt_tokens
        told.completion_tokens += run.added.completion_tokens
        load.span_ids.update((run.trace_id, span.span_id) for span in run.spans)
        load.sizes[run.trace_id] += len(run.spans)
        yield run


def _batches(runs: Iterator[Run], size: int) -> Iterator[tuple[int, list[Span]]]:
    """The service and the spans of each request."""
    going_on: dict[int, list[Run]] = defaultdict(list)
    ended: dict[int, list[Span]] = defaultdict(list)
    for run in runs:
        service = run.agent % SERVICES
        going_on[service].append(run)
        if len(going_on[service]) == RUNS_AT_ONCE:
            ended[service] += _interleaved(going_on.pop(service))
            while len(ended[service]) >= size:
                yield service, ended[service][:size]
                del ended[service][:size]
    for service in sorted(going_on.keys() | ended.keys()):
        rest = ended[service] + _interleaved(going_on[service])
        for start in range(0, len(rest), size):
            yield service, rest[start : start + size]


def _interleaved(runs: Sequence[Run]) -> list[Span]:
    """The spans of runs that began together, in the order of their ends."""
    spans = [(span.end_time_unix_nano - run.start_ns, span) for run in runs for span in run.spans]
    return [span for _, span in sorted(spans, key=lambda pair: pair[0])]


def _request(service: int, spans: Sequence[Span], compression: Compression) -> Request:
    resource = Resource(attributes=[attribute(key, value) for key, value in _resource(service).items()])
    scope_spans = ScopeSpans(scope=InstrumentationScope(name="bench", version="1.0"), spans=spans)
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope_spans])])
    raw: bytes = request.SerializeToString()
    return Request(gzip.compress(raw, GZIP_LEVEL) if compression == "gzip" else raw, len(spans), len(raw))


def _resource(service: int) -> Mapping[str, str]:
    return {
        "service.name": f"bench-service-{service}",
        "service.version": "1.0.0",
        "deployment.environment.name": "production",
        "host.name": f"bench-host-{service}",
        "telemetry.sdk.language": "python",
    }


class _Repetition:
    """Chooses what comes a second time."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._chance = random.Random(SEED)
        self._late: dict[int, list[Span]] = defaultdict(list)

    def after(self, load: Load, service: int, spans: Sequence[Span]) -> None:
        """Sends the last request of the load again, maybe, and remembers some of its spans for later."""
        if not self._share:
            return
        if self._chance.random() < self._share:
            load.requests.append(load.requests[-1])
        self._late[service] += [span for span in spans if self._chance.random() < self._share / 2]

    def late(self, size: int) -> Iterator[tuple[int, list[Span]]]:
        """The remembered spans, in requests of their own."""
        for service, spans in self._late.items():
            for start in range(0, len(spans), size):
                yield service, spans[start : start + size]
