"""What a program does about OpenTelemetry itself holds, and Stepwell goes with it."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once
from tests.instrumentation.auto.instrumentors import OpenInference, OpenLLMetry

from stepwell.auto.choice import planned
from stepwell.auto.installation import GROUP, Instrumentor
from stepwell.auto.program import Instrumentations, Providers, package_of


class Process:
    """The tracer provider of a process with Stepwell, and what came to Stepwell and to the program's own backend."""

    def __init__(self) -> None:
        self.stepwell = InMemorySpanExporter()
        self.theirs = InMemorySpanExporter()
        self.ours = TracerProvider()
        self.ours.add_span_processor(self.live())
        self.prepared: list[object] = []
        self.providers = Providers(self.ours, self.live, self.prepared.append)

    def live(self) -> SpanProcessor:
        return SimpleSpanProcessor(self.stepwell)

    def provider_of_program(self) -> TracerProvider:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.theirs))
        return provider


def names(exporter: InMemorySpanExporter) -> list[str]:
    return [span.name for span in exporter.get_finished_spans()]


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    made = Process()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(trace, "set_tracer_provider", trace.set_tracer_provider)
    trace.set_tracer_provider(made.ours)
    made.providers.watch()
    return made


def test_the_programs_provider_takes_the_place_of_ours(process: Process) -> None:
    early = trace.get_tracer("early")
    provider = process.provider_of_program()
    trace.set_tracer_provider(provider)

    assert trace.get_tracer_provider() is provider
    assert process.prepared == [process.ours, provider]
    early.start_span("of an instrumentation").end()
    trace.get_tracer("late").start_span("of the program").end()
    assert names(process.stepwell) == names(process.theirs) == ["of an instrumentation", "of the program"]


def test_what_the_program_adds_later_counts(process: Process) -> None:
    early = trace.get_tracer("early")
    trace.set_tracer_provider(process.provider_of_program())
    later = InMemorySpanExporter()
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(later))  # type: ignore[attr-defined]
    early.start_span("x").end()
    assert names(later) == ["x"]


def test_a_second_provider_of_the_program_is_refused_as_ever(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = process.provider_of_program(), process.provider_of_program()
    trace.set_tracer_provider(first)
    trace.set_tracer_provider(second)
    assert trace.get_tracer_provider() is first
    assert [record.getMessage() for record in caplog.records] == ["Overriding of current TracerProvider is not allowed"]
    second.get_tracer("x").start_span("told all the same").end()
    assert names(process.stepwell) == ["told all the same"]


@pytest.fixture
def instrumentations(process: Process) -> Iterator[Instrumentations]:
    """With OpenInference chosen for LangChain, and OpenLLMetry installed beside it."""
    versions = dict.fromkeys(("langchain-core", CHOSEN.package, "opentelemetry-instrumentation-langchain"), "1.0")
    original = BaseInstrumentor.instrument
    made = Instrumentations(planned(versions, [CHOSEN], ()), process.providers)
    made.watch()
    yield made
    BaseInstrumentor.instrument = original
    for instrumentor in (OpenInference(), OpenLLMetry()):
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()


CHOSEN = Instrumentor(
    EntryPoint("langchain", "tests.instrumentation.auto.instrumentors:OpenInference", GROUP),
    "openinference-instrumentation-langchain",
    frozenset(("langchain-core",)),
)


def states() -> tuple[bool, bool]:
    """Whether OpenInference and OpenLLMetry are on."""
    return OpenInference().is_instrumented_by_opentelemetry, OpenLLMetry().is_instrumented_by_opentelemetry


def test_the_programs_instrumentation_takes_the_place_of_the_chosen_one(instrumentations: Instrumentations) -> None:
    instrumentations.switch_on(CHOSEN)
    assert states() == (True, False)
    OpenLLMetry().instrument()
    assert states() == (False, True)


def test_what_the_program_switched_on_before_stays_the_only_one(instrumentations: Instrumentations) -> None:
    OpenLLMetry().instrument()
    instrumentations.switch_on(CHOSEN)
    assert states() == (False, True)


def test_to_switch_on_again_what_is_on_changes_nothing(
    instrumentations: Instrumentations, caplog: pytest.LogCaptureFixture
) -> None:
    instrumentations.switch_on(CHOSEN)
    OpenInference().instrument()
    assert states() == (True, False)
    assert caplog.records == []


def test_a_provider_that_the_program_gives_its_instrumentation_is_joined(
    instrumentations: Instrumentations, process: Process
) -> None:
    instrumentations.switch_on(CHOSEN)
    provider = process.provider_of_program()
    OpenInference().instrument(tracer_provider=provider)
    assert OpenInference().arguments == {"tracer_provider": provider}
    provider.get_tracer("x").start_span("x").end()
    assert names(process.stepwell) == names(process.theirs) == ["x"]


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("openinference.instrumentation.llama_index._handler", "openinference-instrumentation-llama-index"),
        ("opentelemetry.instrumentation.openai", "opentelemetry-instrumentation-openai"),
    ],
)
def test_an_instrumentors_module_names_its_package(module: str, package: str) -> None:
    assert package_of(module) == package
