"""A step while it runs: its span, what is told of it, and its place in the context.

Nothing here raises into the agent: what fails is counted (`notices`) and the work goes on unreported.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode

from stepwell import calls, capture, facts, notices, resources, runtime
from stepwell.plan import Plan
from stepwell.semconv import INPUT, OUTPUT, TOOL_INPUT, TOOL_OUTPUT

NOTHING: Final[Any] = object()
"""Stands for input or output that is not told."""

_STEP_KEY: Final = context.create_key("stepwell-step")
_TOOL: Final = "execute_tool"

Told: TypeAlias = tuple[str, str]
"""The name of an attribute on most steps, and on those that are tools' calls."""

_GIVEN: Final[Told] = (INPUT, TOOL_INPUT)
_RETURNED: Final[Told] = (OUTPUT, TOOL_OUTPUT)
_DONE: Final = {"gen_ai.response.finish_reasons": ("stop",)}


class Step:
    """A running agent or step; what ``with stepwell.step(…) as step`` gives.

    Every method may be called at any time, from any thread; after the end they do nothing.
    """

    __slots__ = ("_inside", "_left_ns", "_meter", "_outside", "_plan", "_runtime", "_undecided", "span")

    def __init__(self, plan: Plan, span: Span, used: runtime.Runtime, outside: Context) -> None:
        self.span = span
        """OpenTelemetry's span of this step."""
        self._undecided: list[Step] = []
        """Iterations whose body was left, nobody knows how yet; they end as this step does, or well."""
        self._left_ns: int | None = None
        self._plan = plan
        self._runtime = used
        self._outside = outside
        self._inside = context.set_value(_STEP_KEY, self, trace.set_span_in_context(span, outside))
        self._meter: resources.Meter | None = None

    @property
    def name(self) -> str:
        """The agent's or step's name."""
        return self._plan.name or ""

    @property
    def is_agent(self) -> bool:
        """Whether this is an agent's run, not a step of one."""
        return self._plan.kind == "agent"

    @property
    def trace_id(self) -> str:
        """The trace's id in hex, as Stepwell's API takes it."""
        return format(self.span.get_span_context().trace_id, "032x")

    def set_input(self, value: object) -> None:
        """Reports what the step was given."""
        self._tell(_GIVEN, value)

    def set_output(self, value: object) -> None:
        """Reports what the step returned."""
        self._tell(_RETURNED, value)

    output = property(fset=set_output, doc="What the step returned; assigning reports it.")

    def set_attribute(self, key: str, value: object) -> None:
        """Adds an attribute; what is no text, number or boolean, or a list of those, becomes JSON."""
        facts.set_attributes(self.span, {key: value})

    def checkpoint(self, state: object = None, *, id: str | None = None) -> str:  # noqa: A002
        """As `stepwell.checkpoint`, on this step."""
        return facts.checkpoint_on(self.span, state, id)

    def credits(self, amount: float) -> None:
        """As `stepwell.credits`, on this step."""
        facts.credits_on(self.span, amount)

    def usage(self, **counts: Any) -> None:
        """As `stepwell.usage`, on this step."""
        facts.usage_on(self.span, **counts)

    def enter(self) -> None:
        """Makes this the step in which the caller's context is."""
        context.attach(self._inside)

    def leave(self) -> None:
        """Puts the context outside in place again.

        By value, not by token: generators and callbacks may be resumed in another context, where a token is refused.
        """
        context.attach(self._outside)

    def suspend(self) -> None:
        """Leaves for a while and remembers what was current, so that `enter` goes on from there."""
        self._inside = context.get_current()
        context.attach(self._outside)

    def resume(self) -> None:
        """Enters again, from wherever the caller is now."""
        self._outside = context.get_current()
        context.attach(self._inside)

    def end(self, error: BaseException | None = None) -> None:
        """Ends the step, as failed or cancelled where there is an error. Only the first call counts."""
        try:
            self._end(error)
        except Exception as failure:
            notices.count("step_failed", "A step could not be reported: %s", failure)

    def end_with_outer(self) -> None:
        """Ends the step now, but whether it failed is left to the step around it."""
        outer = context.get_value(_STEP_KEY, self._outside)
        if not isinstance(outer, Step) or not outer.span.is_recording():
            self.end()
            return
        self._left_ns = self._runtime.now_ns() or time.time_ns()
        outer._undecided.append(self)

    def _decide(self, error: BaseException | None) -> None:
        undecided, self._undecided = self._undecided, []
        for iteration in undecided:
            iteration.end(error)

    def _end(self, error: BaseException | None) -> None:
        if self._undecided:
            self._decide(error)
        if not self.span.is_recording():
            return
        if self._meter is not None:
            _set(self.span, self._meter.stop())
        if error is not None and not _is_plain_exit(error):
            record_error(self.span, error)
        elif self.is_agent:
            _set(self.span, _DONE)
        self.span.end(self._left_ns or self._runtime.now_ns())

    def _tell(self, told: Told, value: object) -> None:
        try:
            if self.span.is_recording():
                _set(self.span, _content(self._plan, self._runtime, told, value))
        except Exception as failure:
            notices.count("step_failed", "A step could not be reported: %s", failure)


def begin(plan: Plan, given: object = NOTHING, more: Mapping[str, Any] | None = None) -> Step:
    """Starts a step below the current span, without entering it."""
    used = runtime.current()
    outside = context.get_current()
    outer = context.get_value(_STEP_KEY, outside)
    if isinstance(outer, Step) and outer._undecided:
        outer._decide(None)
    try:
        attributes = dict(plan.attributes)
        for key in plan.odd:
            attributes[key] = facts.attribute(attributes[key])
        if more:
            attributes.update(more)
        if given is not NOTHING:
            attributes.update(_content(plan, used, _GIVEN, given))
        span = used.start(plan.span_name, outside, plan.span_kind, attributes, used.now_ns())
    except Exception as failure:
        notices.count("step_failed", "A step could not be reported: %s", failure)
        span = trace.INVALID_SPAN
    step = Step(plan, span, used, outside)
    if plan.kind == "agent" and span.is_recording():
        calls.find()
        step._meter = resources.start(span)
    return step


def current_step() -> Step | None:
    """The innermost step of ours that runs in this context."""
    found = context.get_value(_STEP_KEY)
    return found if isinstance(found, Step) else None


def run_of(step: Step | None) -> Step | None:
    """The agent's run that a step belongs to: the outermost one in this process."""
    found = None
    while step is not None:
        found = step if step.is_agent else found
        outer = context.get_value(_STEP_KEY, step._outside)
        step = outer if isinstance(outer, Step) else None
    return found


def record_error(span: Span, error: BaseException) -> None:
    """Marks a span as failed by an exception, whatever the exception's own methods do."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    used = runtime.current()
    told = capture.clean(capture.cut(used.redaction.text(_message(error)), used.max_attribute_bytes))
    span.add_event(
        "exception",
        {"exception.type": name, "exception.message": told, "exception.stacktrace": _stack(error, used)},
        used.now_ns(),
    )
    span.set_attribute("error.type", name)
    span.set_status(Status(StatusCode.ERROR, f"{kind.__qualname__}: {told}" if told else kind.__qualname__))


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _stack(error: BaseException, used: runtime.Runtime) -> str:
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:
        text = "".join(traceback.format_tb(error.__traceback__))
    return capture.clean(capture.cut(used.redaction.text(text), used.max_attribute_bytes))


def _set(span: Span, attributes: Mapping[str, Any]) -> None:
    """Adds attributes of OpenTelemetry's kinds; spans of ours take them without looking."""
    getattr(span, "tell", span.set_attributes)(attributes)


def _is_plain_exit(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code in (None, 0)


def _content(plan: Plan, used: runtime.Runtime, told: Told, value: object) -> dict[str, str]:
    """The attribute that tells input or output, of a tool's call by the convention's name."""
    if used.level == "off" or plan.captures is False:
        return {}
    text = capture.as_json(value, used.redaction, used.max_attribute_bytes)
    return {told[plan.operation == _TOOL]: text}
