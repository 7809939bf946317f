"""What holds for every request body, whoever made it up: the properties that the fuzzer tries to break.

Each target takes the bytes of a request. It passes where they are refused with a documented error, or where all that
they hold is accounted for and can be stored.
"""

import math
import random
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias
from uuid import UUID

import zstandard
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.fuzz import copied

from stepwell_receiver import bodies, json, memory, protobuf, wire
from stepwell_receiver.errors import ReceiverError
from stepwell_receiver.logs import map_logs
from stepwell_receiver.mapping import map_request
from stepwell_receiver.validation import reject_invalid, reject_invalid_logs, rejection_message
from stepwell_receiver.values import MAX_NAME_CHARACTERS
from stepwell_storage import step_rows
from stepwell_storage.fold import fold_trace, tree
from stepwell_storage.model import Execution, Role, Step
from stepwell_storage.rows import log_lines

Target: TypeAlias = Callable[[bytes], None]

_WORKSPACE: Final = UUID(int=1)
_MAX_ATTRIBUTE_BYTES: Final = 16 * 1024
_MAX_BODY_BYTES: Final = 4 * 1024 * 1024
_NEVER_LOST: Final = (Role.AGENT, Role.WORKFLOW, Role.MODEL, Role.TOOL, Role.EMBEDDING)
_INT8: Final = range(-(1 << 63), 1 << 63)


def traces_protobuf(body: bytes) -> None:
    """Protobuf traces: each span becomes a step that can be stored, or is rejected with a reason."""
    _check_traces(protobuf.decode_traces, body, _span_count(body))


def traces_json(body: bytes) -> None:
    """JSON traces, alike."""
    _check_traces(json.decode_traces, body, None)


def logs_protobuf(body: bytes) -> None:
    """Protobuf logs: each record of a span can be stored, or is rejected with a reason."""
    _check_logs(protobuf.decode_logs, body)


def logs_json(body: bytes) -> None:
    """JSON logs, alike."""
    _check_logs(json.decode_logs, body)


def metrics_protobuf(body: bytes) -> None:
    """Protobuf metrics: each gives samples that can be stored, or is named as not stored, or is rejected."""
    _check_metrics(protobuf.decode_metrics, body)


def metrics_json(body: bytes) -> None:
    """JSON metrics, alike."""
    _check_metrics(json.decode_metrics, body)


def compressed(body: bytes) -> None:
    """Whatever claims to be compressed unfolds within its bound or is refused; what is compressed comes back."""
    for encoding in bodies.ENCODINGS:
        try:
            assert len(bodies.decompress(body, encoding, limit_bytes=_MAX_BODY_BYTES)) <= _MAX_BODY_BYTES
        except ReceiverError:
            continue
    packed = {"deflate": zlib.compress(body), "zstd": zstandard.compress(body)}
    for encoding, content in packed.items():
        assert bodies.decompress(content, encoding, limit_bytes=_MAX_BODY_BYTES) == body


TARGETS: Final[Mapping[str, Target]] = {
    target.__name__: target
    for target in (traces_protobuf, traces_json, logs_protobuf, logs_json, metrics_protobuf, metrics_json, compressed)
}


def _check_traces(decode: Callable[[bytes], wire.TraceRequest], body: bytes, sent: int | None) -> None:
    try:
        request = decode(body)
    except ReceiverError:
        return
    held = sum(len(group.spans) for group in request.groups) + request.rejected.total()
    assert sent is None or held == sent, f"{held} of {sent} spans"
    reject_invalid(request)
    steps = map_request(request, max_attribute_bytes=_MAX_ATTRIBUTE_BYTES)
    assert len(steps) + request.rejected.total() == held
    assert bool(rejection_message(request.rejected)) == bool(request.rejected)
    rows = copied.step_rows(step_rows.join(_WORKSPACE.bytes, steps))
    assert [row["span_id"] for row in rows] == [step.span_id for step in steps]
    check_fold(steps)


def _check_logs(decode: Callable[[bytes], wire.LogRequest], body: bytes) -> None:
    try:
        request = decode(body)
    except ReceiverError:
        return
    held = len(request.records) + request.rejected.total()
    reject_invalid_logs(request)
    records = map_logs(request, max_attribute_bytes=_MAX_ATTRIBUTE_BYTES)
    assert len(records) + request.rejected.total() == held
    assert len(copied.log_rows(log_lines(str(_WORKSPACE), records))) == len(records)


def _check_metrics(decode: Callable[[bytes, Callable[[str], bool]], wire.MetricRequest], body: bytes) -> None:
    try:
        request = decode(body, memory.tells_memory)
    except ReceiverError:
        return
    mapped = memory.map_metrics(request)
    assert bool(memory.warning(mapped.unstored)) == bool(mapped.unstored)
    for sample in mapped.samples:
        assert math.isfinite(sample.memory_mb)
        assert sample.memory_mb >= 0
        assert sample.time_ns in range(1 << 63)
        assert sample.process_key


def check_fold(steps: Sequence[Step]) -> None:
    """Folds each trace: once as it came, once in another order and partly twice."""
    traces: dict[bytes, list[Step]] = {}
    for step in steps:
        traces.setdefault(step.trace_id, []).append(step)
    for trace in traces.values():
        executions = fold_trace(trace)
        shuffled = [*trace, *trace[: len(trace) // 2]]
        random.Random(len(trace)).shuffle(shuffled)
        assert fold_trace(shuffled) == executions, "the order of the spans shows"
        _check_executions(trace, executions)


def _check_executions(trace: Sequence[Step], executions: Sequence[Execution]) -> None:
    placed = Counter(placement.step.span_id for execution in executions for placement in execution.placements)
    assert all(count == 1 for count in placed.values()), "a step in two executions"
    lost = [step for step in _own_to_no_caller(trace, executions) if step.span_id not in placed]
    assert not [step for step in lost if step.role in _NEVER_LOST], "an agent, a model or a tool call in no execution"
    assert len({execution.execution_id for execution in executions}) == len(executions)
    for execution in executions:
        _check_execution(execution)


def _own_to_no_caller(trace: Sequence[Step], executions: Sequence[Execution]) -> list[Step]:
    """The steps of a trace without those that stand above an agent's run, which are its caller's."""
    whole = tree.build(trace)
    agents = [e for e in executions if any(p.step.role in tree.AGENTIC for p in e.placements)]
    roots = {execution.root_span_id for execution in agents}
    above: set[int] = set()
    for i, step in enumerate(whole.steps):
        at = whole.parents[i] if step.span_id in roots else -1
        while at >= 0 and at not in above:
            above.add(at)
            at = whole.parents[at]
    return [step for i, step in enumerate(whole.steps) if i not in above] if executions else []


def _check_execution(execution: Execution) -> None:
    assert [placement.index for placement in execution.placements] == list(range(execution.steps_total))
    assert 0 <= execution.steps_completed <= execution.steps_total
    assert 0 < len(execution.agent_id.strip()) <= MAX_NAME_CHARACTERS
    assert execution.duration_ms is None or execution.duration_ms >= 0
    for tokens in (execution.prompt_tokens, execution.completion_tokens, execution.cache_read_tokens):
        assert tokens is None or (tokens >= 0 and tokens in _INT8)
    counted = [p.step for p in execution.placements if p.counts_tokens]
    assert (execution.prompt_tokens or 0) == sum(step.prompt_tokens or 0 for step in counted)


def _span_count(body: bytes) -> int | None:
    """How many spans the official decoder finds; ``None`` where it refuses the body."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError:
        return None
    return sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)
