"""Agent runs whose every span is known, and official exporters that send them until they are acknowledged."""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

EXPORT_TIMEOUT_S = 100.0
DAY_NS = 86_400_000_000_000
MS_NS = 1_000_000

_RESOURCE = Resource({"service.name": "fault_tests"})
_SCOPE = InstrumentationScope("fault_tests", "1.0")


@dataclass(frozen=True, slots=True)
class Run:
    """What is true of one agent run."""

    trace_id: bytes
    status: str
    steps: int
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """Batches as they are exported, and what has to be there afterwards."""

    batches: list[list[ReadableSpan]]
    runs: list[Run]
    spans: list[tuple[bytes, bytes]]
    """Trace id and span id of each span, each once, in order."""


def traffic(
    seed: str,
    *,
    runs: int = 100,
    spans_per_run: int = 20,
    spans_per_batch: int = 50,
    repeated_share: float = 0.05,
    over_days: float = 1 / 24,
) -> Traffic:
    """Runs of the last `over_days`, their spans in random order; `repeated_share` of the batches come again later.

    `spans_per_run` is even, so that a run's last step is a model call: after a tool call it would count as cut off.
    """
    chance = random.Random(seed)
    made = [_run(chance, over_days, spans_per_run, failed=number % 10 == 0) for number in range(runs)]
    spans = [span for _, of_run in made for span in of_run]
    chance.shuffle(spans)
    batches = [spans[at : at + spans_per_batch] for at in range(0, len(spans), spans_per_batch)]
    for batch in chance.sample(batches, round(len(batches) * repeated_share)):
        batches.insert(chance.randrange(len(batches) // 2, len(batches) + 1), batch)
    return Traffic(batches, [run for run, _ in made], sorted(map(_ids, spans)))


class Sending:
    """Threads that export batches, each with an exporter of its own, begun with the block and joined at its end.

    An exporter that gives up, which it does after six attempts, is an error: what it had in hand is lost then.
    """

    def __init__(self, batches: Sequence[list[ReadableSpan]], exporters: Sequence[SpanExporter]) -> None:
        self.acknowledged: list[tuple[bytes, bytes]] = []
        """Spans whose export succeeded so far."""
        self._waiting = list(reversed(batches))
        self._refused = 0
        self._exporters = exporters
        self._threads = [threading.Thread(target=self._work, args=(exporter,)) for exporter in exporters]

    def __enter__(self) -> "Sending":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._waiting.clear()
            for exporter in self._exporters:
                exporter.shutdown()
            self._join()
        else:
            self.finish()

    def finish(self) -> None:
        """Returns once all is acknowledged."""
        self._join()
        assert self._refused == 0

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()
        for exporter in self._exporters:
            exporter.shutdown()

    def _work(self, exporter: SpanExporter) -> None:
        while self._waiting:
            try:
                batch = self._waiting.pop()
            except IndexError:
                return
            if exporter.export(batch) is SpanExportResult.SUCCESS:
                self.acknowledged.extend(map(_ids, batch))
            else:
                self._refused += 1


def exporters(addresses: Sequence[Mapping[str, str]]) -> list[SpanExporter]:
    """For each receiver one exporter over HTTP and one over gRPC."""
    found: list[SpanExporter] = []
    for address in addresses:
        found.append(HttpExporter(endpoint=f"{address['otlp_http']}/v1/traces", timeout=EXPORT_TIMEOUT_S))
        found.append(GrpcExporter(endpoint=address["otlp_grpc"], insecure=True, timeout=EXPORT_TIMEOUT_S))
    return found


def _ids(span: ReadableSpan) -> tuple[bytes, bytes]:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id.to_bytes(16), context.span_id.to_bytes(8)


def _run(chance: random.Random, over_days: float, count: int, *, failed: bool) -> tuple[Run, list[ReadableSpan]]:
    start_ns = time.time_ns() - chance.randrange(MS_NS, int(over_days * DAY_NS))
    trace_id, root_id = chance.getrandbits(128) or 1, chance.getrandbits(64) or 1
    root = _context(trace_id, root_id)
    prompt_tokens = completion_tokens = 0
    spans = []
    for number in range(1, count):
        attributes: dict[str, str | int] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
        if number % 2:
            given, returned = chance.randrange(1, 5000), chance.randrange(1, 500)
            prompt_tokens, completion_tokens = prompt_tokens + given, completion_tokens + returned
            attributes = {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": given,
                "gen_ai.usage.output_tokens": returned,
            }
        context = _context(trace_id, chance.getrandbits(64) or 1)
        at_ns = start_ns + number * MS_NS
        spans.append(_span("step", context, root, attributes, at_ns, at_ns + MS_NS // 2, Status()))
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "fault_agent"}
    ended = Status(StatusCode.ERROR, "ValueError: broken") if failed else Status()
    spans.append(_span("invoke_agent", root, None, agent, start_ns, start_ns + count * MS_NS, ended))
    status = "failed" if failed else "success"
    return Run(trace_id.to_bytes(16), status, count, prompt_tokens, completion_tokens), spans


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _span(
    name: str,
    context: SpanContext,
    parent: SpanContext | None,
    attributes: Mapping[str, str | int],
    start_ns: int,
    end_ns: int,
    status: Status,
) -> ReadableSpan:
    return ReadableSpan(
        name=name,
        context=context,
        parent=parent,
        resource=_RESOURCE,
        attributes=attributes,
        status=status,
        start_time=start_ns,
        end_time=end_ns,
        instrumentation_scope=_SCOPE,
    )
