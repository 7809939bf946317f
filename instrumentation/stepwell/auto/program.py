"""What the program itself does about OpenTelemetry holds; Stepwell joins it instead of standing in its way.

A program may set a tracer provider of its own, although there is ours by then, and may switch on instrumentations
itself.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from stepwell.auto.choice import Chosen, Plan
from stepwell.auto.installation import Instrumentor

logger = logging.getLogger("stepwell")


class _PassOn(SpanProcessor):
    """Passes the spans of our provider on to what the program put on its own, save for what is ours."""

    def __init__(self, provider: TracerProvider, ours: SpanProcessor) -> None:
        self._provider = provider
        self._ours = ours

    def _theirs(self) -> Iterable[SpanProcessor]:
        # There is no public way to read them; they are read each time, for the program may add some.
        found: Iterable[SpanProcessor] = self._provider._active_span_processor._span_processors
        return (processor for processor in found if processor is not self._ours)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        for processor in self._theirs():
            processor.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        for processor in self._theirs():
            processor.on_end(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return all(processor.force_flush(timeout_millis) for processor in self._theirs())


class Providers:
    """The tracer providers of a process: ours, and those that the program brings."""

    def __init__(self, ours: Any, live: Callable[[], SpanProcessor], prepare: Callable[[Any], None]) -> None:
        """`live` makes a processor that exports to Stepwell; `prepare` is called with each provider before its use."""
        self._known = [ours]
        self._live = live
        self._prepare = prepare
        self._has_made_room = False
        prepare(ours)

    def join(self, provider: object) -> SpanProcessor | None:
        """Has the spans of a provider come to Stepwell too; the processor that does it, None where it came before."""
        if not isinstance(provider, TracerProvider) or any(provider is known for known in self._known):
            return None
        self._known.append(provider)
        processor = self._live()
        provider.add_span_processor(processor)
        self._prepare(provider)
        return processor

    def watch(self) -> None:
        """From then on a provider that the program sets takes the place of ours, as if there had been none.

        Spans of tracers that were got from ours go to its processors too.
        """
        original = trace.set_tracer_provider

        def set_tracer_provider(tracer_provider: trace.TracerProvider) -> None:
            joined = self.join(tracer_provider)
            if isinstance(tracer_provider, TracerProvider) and joined is not None and not self._has_made_room:
                self._has_made_room = True
                self._known[0].add_span_processor(_PassOn(tracer_provider, joined))
                # OpenTelemetry keeps the first provider for good; ours makes room for the program's.
                trace._TRACER_PROVIDER_SET_ONCE._done = False
            original(tracer_provider)

        trace.set_tracer_provider = set_tracer_provider


class Instrumentations:
    """Switches instrumentors on, and gives way where the program switches on one for the same framework."""

    def __init__(self, plan: Plan, providers: Providers) -> None:
        self._plan = plan
        self._providers = providers
        self._given_up: set[str] = set()
        self._is_ours = False

    def watch(self) -> None:
        """To be called once there are instrumentors: from then on the program's own calls are seen."""
        from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

        original = BaseInstrumentor.instrument
        watching = self

        def instrument(self: Any, **arguments: Any) -> Any:
            if watching._is_needed(self, arguments):
                return original(self, **arguments)
            return None

        BaseInstrumentor.instrument = instrument

    def _is_needed(self, theirs: Any, arguments: Mapping[str, Any]) -> bool:
        """Whether a call of the program changes anything: to say again what we said does not."""
        if self._is_ours:
            return True
        try:
            self._providers.join(arguments.get("tracer_provider"))
            if theirs.is_instrumented_by_opentelemetry and not arguments:
                return False
            self._give_way(theirs)
        except Exception:
            logger.warning("an instrumentation of the program may tell what ours tells", exc_info=True)
        return True

    def switch_on(self, instrumentor: Instrumentor) -> None:
        """With the tracer provider of the process, unless the program was there before."""
        if instrumentor.package in self._given_up:
            return
        # Not installed here and of any version: what the entry point gives has no type of ours.
        made: Any = instrumentor.entry.load()()
        if not made.is_instrumented_by_opentelemetry:
            self._is_ours = True
            try:
                made.instrument()
            finally:
                self._is_ours = False

    def _give_way(self, theirs: Any) -> None:
        """What the program says of an instrumentation comes instead of what we said, of this one or of its rivals."""
        package = package_of(type(theirs).__module__)
        for chosen in self._plan.chosen:
            if package in _rivals(chosen):
                for ours in chosen.instrumentors:
                    self._give_up(ours)
        for other in self._plan.others:
            if package == other.package:
                self._give_up(other)

    def _give_up(self, ours: Instrumentor) -> None:
        self._given_up.add(ours.package)
        made: Any = ours.entry.load()()
        if made.is_instrumented_by_opentelemetry:
            made.uninstrument()
            logger.info("%s is left to the program", ours.package)


def package_of(module: str) -> str:
    """The distribution of an instrumentor, by the name of its module.

    ``openinference.instrumentation.llama_index._x`` is of ``openinference-instrumentation-llama-index``.
    """
    return "-".join(module.split(".")[:3]).replace("_", "-")


def _rivals(chosen: Chosen) -> set[str]:
    return {i.package for i in chosen.framework.instrumentations if i.package}
