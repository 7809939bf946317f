"""For tests of agents: what they report, in memory, with a clock and ids that are the same in every run.

    def test_agent_asks_once():
        with stepwell.testing.recorded() as recorder:
            travel_agent("oslo")
        assert [step.name for step in recorder.steps] == ["travel_agent", "ask"]

Nothing leaves the process, and whatever `stepwell.configure` set up rests for as long as the block runs.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import StatusCode

from stepwell import redaction, resources, runtime, spans
from stepwell.outgoing import Outgoing, started
from stepwell.plan import OPERATION
from stepwell.redaction import Filter, Level
from stepwell.semconv import (
    ATTEMPT,
    CHECKPOINT_EVENT,
    CHECKPOINT_ID,
    CHECKPOINT_STATE,
    CREDITS,
    INPUT,
    OUTPUT,
    STEP_TYPE,
    TOOL_INPUT,
    TOOL_OUTPUT,
)

START_NS: Final = 1_767_225_600_000_000_000
"""2026-01-01 00:00:00 UTC."""
TICK_NS: Final = 1_000_000


class FixedIds(IdGenerator):
    """Trace ids 1, 2, 3 … and span ids 1, 2, 3 …"""

    def __init__(self) -> None:
        self._traces = itertools.count(1)
        self._spans = itertools.count(1)

    def generate_trace_id(self) -> int:
        """The next trace id."""
        return next(self._traces)

    def generate_span_id(self) -> int:
        """The next span id."""
        return next(self._spans)


class FixedClock:
    """Starts at `START_NS`; each look at it takes a millisecond."""

    def __init__(self, start_ns: int = START_NS, tick_ns: int = TICK_NS) -> None:
        self._ticks = itertools.count(start_ns, tick_ns)

    def __call__(self) -> int:
        return next(self._ticks)


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A step that has ended, as Stepwell would take it."""

    name: str
    parent: str | None
    """The name of the step around it; ``None`` for the first of a trace."""
    operation: str | None
    step_type: str | None
    error_type: str | None
    """The exception's class; ``None`` where the step went well."""
    input: Any
    """As JSON holds it; ``None`` where it was not told."""
    output: Any
    attempt: int
    credits: float | None
    checkpoints: tuple[tuple[str, Any], ...]
    """Ids and states."""
    attributes: Mapping[str, Any]
    start_ns: int
    end_ns: int


class Recorder(SpanProcessor):
    """Keeps what would be sent.

    Instrumentations of other libraries report to it where they are given its `provider`.
    """

    def __init__(self, outgoing: Outgoing, *, ids: IdGenerator) -> None:
        self._outgoing = outgoing
        self._lock = threading.Lock()
        self.started: list[ReadableSpan] = []
        """Live spans, in the order of their starts."""
        self.spans: list[ReadableSpan] = []
        """Finished spans, in the order of their ends."""
        self.provider = TracerProvider(
            resource=Resource({"service.name": "test"}), sampler=ALWAYS_ON, id_generator=ids, shutdown_on_exit=False
        )
        self.provider.add_span_processor(self)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """A span has started."""
        with self._lock:
            self.started.append(self._outgoing.of(started(span)))

    def on_end(self, span: ReadableSpan) -> None:
        """A span has ended."""
        resources.count_span(span)
        with self._lock:
            self.spans.append(self._outgoing.of(span))

    def clear(self) -> None:
        """Forgets what was recorded so far."""
        with self._lock:
            self.started.clear()
            self.spans.clear()

    @property
    def steps(self) -> list[RecordedStep]:
        """What ended, in the order of the starts."""
        with self._lock:
            spans = sorted(self.spans, key=lambda span: (span.start_time or 0, span.end_time or 0))
        names = {found.span_id: _name(span) for span in spans if (found := span.get_span_context())}
        return [_recorded(span, names) for span in spans]

    def step(self, name: str) -> RecordedStep:
        """The only step of this name.

        Raises:
            LookupError: there is none, or more than one.
        """
        found = [step for step in self.steps if step.name == name]
        if len(found) != 1:
            raise LookupError(f"{len(found)} steps are called {name!r}, of {[step.name for step in self.steps]}")
        return found[0]


@contextmanager
def recorded(
    *,
    capture: Level = "redacted",
    redact_keys: Iterable[str] = (),
    redact_patterns: Iterable[str] = (),
    redact: Filter | None = None,
    max_attribute_bytes: int = runtime.DEFAULT_MAX_ATTRIBUTE_BYTES,
) -> Iterator[Recorder]:
    """A block whose agents and steps are recorded; the settings are those of `stepwell.configure`."""
    rules = redaction.rules(capture, keys=redact_keys, patterns=redact_patterns, custom=redact)
    recorder = Recorder(Outgoing(capture, rules, max_attribute_bytes), ids=FixedIds())
    before = runtime.use(
        runtime.Runtime(
            level=capture,
            redaction=rules,
            max_attribute_bytes=max_attribute_bytes,
            start=spans.starter(recorder.provider.get_tracer(runtime.SCOPE)),
            is_bound=True,
            now_ns=FixedClock(),
        )
    )
    outside = context.get_current()
    context.attach(Context())
    try:
        yield recorder
    finally:
        context.attach(outside)
        runtime.use(before)


def _recorded(span: ReadableSpan, names: Mapping[int, str]) -> RecordedStep:
    attributes = dict(span.attributes or {})
    error_type = attributes.get("error.type") if span.status.status_code is StatusCode.ERROR else None
    return RecordedStep(
        name=_name(span),
        parent=names.get(span.parent.span_id) if span.parent else None,
        operation=_text(attributes.get(OPERATION)),
        step_type=_text(attributes.get(STEP_TYPE)),
        error_type=_text(error_type),
        input=_parsed(attributes.get(INPUT, attributes.get(TOOL_INPUT))),
        output=_parsed(attributes.get(OUTPUT, attributes.get(TOOL_OUTPUT))),
        attempt=int(attributes.get(ATTEMPT, 1)),  # type: ignore[arg-type]
        credits=attributes.get(CREDITS),  # type: ignore[arg-type]
        checkpoints=tuple(
            (str((event.attributes or {}).get(CHECKPOINT_ID)), _parsed((event.attributes or {}).get(CHECKPOINT_STATE)))
            for event in span.events
            if event.name == CHECKPOINT_EVENT
        ),
        attributes=attributes,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
    )


def _name(span: ReadableSpan) -> str:
    attributes = span.attributes or {}
    return str(attributes.get("gen_ai.agent.name") or attributes.get("gen_ai.tool.name") or span.name)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _parsed(value: object) -> Any:
    return json.loads(value) if isinstance(value, str) else value
