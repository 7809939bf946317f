"""Leaves out spans, where they begin, that would tell what another instrumentation tells.

Two rules, by the scope that begins the span. A *muted* scope is one that cannot be switched off and whose framework is
reported by something better. A model SDK's scope is *screened*: its call is left out where a framework that reports its
model calls itself makes it, and where the span that it is in is an instrumentation's report of it already. The code
that uses the SDK decides, not what is installed or in which order it was imported, so that a program may use a
framework and, beside it, the SDK itself.

What is left out leaves no gap: what begins below it hangs on the span above.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ContextDecorator
from dataclasses import dataclass
from types import FrameType
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, Tracer, TracerProvider

from stepwell.auto.choice import Plan
from stepwell.auto.frameworks import Framework, Instrumentation

_SCOPES_OF_SDKS = {"openai-v2": ("opentelemetry.util.genai",), "bedrock": ("opentelemetry.instrumentation.botocore",)}
"""Further beginnings of scopes, by the package's ending, where they are not named like the package."""
_OWN_SCOPES_OF_SDKS = {"anthropic": ("com.anthropic.sdk.python",)}
"""Beginnings of scopes of SDKs that report themselves, by the module."""
_BETWEEN = ("stepwell", "opentelemetry", "openinference", "wrapt", "tenacity", "backoff")
"""Modules that stand between a caller and the SDK's instrumentation, beside the SDK and the standard library."""
_MODEL_OPERATIONS = frozenset(("chat", "text_completion", "generate_content", "embeddings"))
_ENDS = ("", ".", "_", " ")
_INSTRUMENTATIONS = ("openinference.instrumentation", "opentelemetry.instrumentation")
_MAX_FRAMES = 200


@dataclass(frozen=True, slots=True)
class Rules:
    """What is left out, as beginnings of dotted names."""

    muted: tuple[str, ...]
    """Scopes that are left out altogether."""
    screened: Mapping[str, str]
    """Scopes of model SDKs, with the module of the SDK."""
    reporting: tuple[str, ...]
    """Modules of frameworks that report their model calls themselves."""


def rules_of(plan: Plan) -> Rules:
    """The rules that keep what is chosen from telling a call twice."""
    muted: list[str] = []
    screened: dict[str, str] = {}
    reporting: list[str] = []
    for chosen in plan.chosen:
        framework, instrumentation = chosen.framework, chosen.instrumentation
        muted += instrumentation.mutes
        if framework.kind == "model":
            screened |= dict.fromkeys(_scopes(framework, instrumentation), framework.module)
        if instrumentation.tells_model_calls:
            reporting += (framework.module, *framework.callers)
    return Rules(tuple(muted), screened, tuple(reporting))


def _scopes(framework: Framework, instrumentation: Instrumentation) -> Iterable[str]:
    if instrumentation.package is None:
        return _OWN_SCOPES_OF_SDKS.get(framework.module, ())
    scope = instrumentation.package.replace("-instrumentation-", ".instrumentation.").replace("-", "_")
    return (scope, *_SCOPES_OF_SDKS.get(instrumentation.package.partition("-instrumentation-")[2], ()))


def screen(provider: TracerProvider, rules: Rules) -> None:
    """Has the provider's tracers leave out what the rules say; those that were got before stay as they are."""
    original = provider.get_tracer

    def get_tracer(instrumenting_module_name: str, *arguments: Any, **named: Any) -> Tracer:
        tracer = original(instrumenting_module_name, *arguments, **named)
        if begins(instrumenting_module_name, rules.muted):
            return _ScreenedTracer(tracer, None, ())
        for scope, sdk in rules.screened.items():
            if begins(instrumenting_module_name, (scope,)):
                return _ScreenedTracer(tracer, sdk, tuple(name for name in rules.reporting if name != sdk))
        return tracer

    provider.get_tracer = get_tracer  # type: ignore[method-assign]


def begins(name: str, beginnings: Sequence[str]) -> bool:
    """Whether a dotted name is one of these, or below or beside one: ``a``, ``a.b`` and ``a_c`` begin with ``a``."""
    return any(name.startswith(start) and name[len(start) : len(start) + 1] in _ENDS for start in beginnings)


class LeftOutSpan(NonRecordingSpan):
    """Stands for a span that is not told; whoever asks for its context gets that of the span above."""

    def __init__(self, enclosing: Span) -> None:
        super().__init__(enclosing.get_span_context())
        self.enclosing = enclosing


class _LeftOut(ContextDecorator, AbstractContextManager[Span]):
    """Changes nothing about which span is the current one."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        return self._span

    def __exit__(self, *_: object) -> None:
        return None


class _ScreenedTracer(Tracer):
    """`sdk` is the module of the SDK that it is for; None: every span is left out."""

    def __init__(self, tracer: Tracer, sdk: str | None, reporting: Sequence[str]) -> None:
        self._tracer = tracer
        self._sdk = sdk
        self._reporting = reporting

    def start_span(self, name: str, context: Context | None = None, *arguments: Any, **named: Any) -> Span:
        enclosing = trace.get_current_span(context)
        if self._is_told_already(enclosing):
            return LeftOutSpan(enclosing)
        return self._tracer.start_span(name, context, *arguments, **named)

    def start_as_current_span(  # type: ignore[override]  # OpenTelemetry's own kind of decorator is private
        self, name: str, context: Context | None = None, *arguments: Any, **named: Any
    ) -> AbstractContextManager[Span]:
        enclosing = trace.get_current_span(context)
        if self._is_told_already(enclosing):
            return _LeftOut(LeftOutSpan(enclosing))
        return self._tracer.start_as_current_span(name, context, *arguments, **named)

    def _is_told_already(self, enclosing: Span) -> bool:
        if self._sdk is None:
            return True
        if is_reported_call(enclosing, self._reporting):
            return True
        return _is_called_by(sys._getframe(1), self._reporting, (self._sdk, *_BETWEEN))


def is_reported_call(span: Span, reporting: Sequence[str]) -> bool:
    """Whether a span that has not ended is an instrumentation's report of a model call.

    One that the program writes by hand is none: it may leave tokens and content to the SDK's.
    """
    while isinstance(span, LeftOutSpan):
        span = span.enclosing
    scope = getattr(getattr(span, "instrumentation_scope", None), "name", "")
    return begins(scope.replace("-", "_"), (*_INSTRUMENTATIONS, *reporting)) and _is_model_call(span)


def _is_model_call(span: Span) -> bool:
    attributes: Mapping[str, object] = getattr(span, "attributes", None) or {}
    operation, kind = attributes.get("gen_ai.operation.name"), attributes.get("openinference.span.kind")
    return operation in _MODEL_OPERATIONS or kind in ("LLM", "EMBEDDING") or "llm.request.type" in attributes


def _is_called_by(frame: FrameType | None, reporting: Sequence[str], between: Sequence[str]) -> bool:
    """Whether the nearest caller that is neither the SDK nor what stands between is one of those that report it."""
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return False
        module = str(frame.f_globals.get("__name__", ""))
        if not begins(module, between) and module.partition(".")[0] not in sys.stdlib_module_names:
            return begins(module, reporting)
        frame = frame.f_back
    return False
