"""A call is told once: what a framework reports itself is left out of what its model's SDK reports."""

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from stepwell.auto.choice import planned
from stepwell.auto.screening import LeftOutSpan, begins, rules_of, screen

SDK_SCOPE = "openinference.instrumentation.openai"
MUTED_SCOPE = "autogen-core"


class Told:
    """A provider that is screened by the table's rules, and the spans that came out."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        installed = ("langchain-core", "crewai", "autogen-agentchat", "openai", "pydantic-ai-slim")
        packages = ("langchain", "crewai", "autogen-agentchat", "openai")
        versions = dict.fromkeys((*installed, *(f"openinference-instrumentation-{name}" for name in packages)), "1.0")
        screen(self.provider, rules_of(planned(versions, (), ())))

    def tracer(self, scope: str) -> Tracer:
        return self.provider.get_tracer(scope)

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.exporter.get_finished_spans()]


CALL_OF_MODEL = "def call():\n    with tracer.start_as_current_span('ChatCompletion'): pass"


def call_model(told: Told, *modules: str) -> None:
    """Calls the model through modules of these names, the first of which is called first."""
    names: dict[str, Any] = {"__name__": SDK_SCOPE, "tracer": told.tracer(SDK_SCOPE)}
    exec(CALL_OF_MODEL, names)
    for module in reversed(modules):
        names = {"__name__": module, "function": names["call"]}
        exec("def call(): function()", names)
    names["call"]()


@pytest.mark.parametrize(
    ("modules", "is_told"),
    [
        pytest.param(("my_app", "openai.resources"), True, id="the program itself"),
        pytest.param(("my_app", "langchain_openai.chat", "openai.resources", SDK_SCOPE), False, id="a framework"),
        pytest.param(("langchain_core.x", "langchain_openai.y", "tenacity.retry", "openai.z"), False, id="retried"),
        pytest.param(("pydantic_ai.models.openai", "openai.resources"), False, id="one that reports itself"),
        pytest.param(("langgraph.pregel", "my_app.tools", "openai.resources"), True, id="a tool of the program"),
        pytest.param(("crewai.llms", "openai.resources"), True, id="one that reports no model calls"),
        pytest.param(("langchainish.chat", "openai.resources"), True, id="one of a similar name"),
    ],
)
def test_the_nearest_caller_decides_whether_a_model_call_is_told(modules: tuple[str, ...], is_told: bool) -> None:
    told = Told()
    call_model(told, *modules)
    assert told.names == (["ChatCompletion"] if is_told else [])


@pytest.mark.parametrize(
    ("scope", "attributes", "is_told"),
    [
        pytest.param("pydantic-ai", {"gen_ai.operation.name": "chat"}, False, id="a framework's own report"),
        pytest.param(
            "openinference.instrumentation.x", {"openinference.span.kind": "LLM"}, False, id="an instrumentation's"
        ),
        pytest.param("pydantic-ai", {"gen_ai.operation.name": "execute_tool"}, True, id="a tool"),
        pytest.param("my-app", {"gen_ai.operation.name": "chat"}, True, id="written by hand"),
    ],
)
def test_a_call_within_its_report_is_told_once(scope: str, attributes: dict[str, str], is_told: bool) -> None:
    told = Told()
    with told.tracer(scope).start_as_current_span("above", attributes=attributes):
        call_model(told)
    assert told.names == (["ChatCompletion", "above"] if is_told else ["above"])


def test_what_is_left_out_leaves_no_gap() -> None:
    told = Told()
    app = told.tracer("my-app")
    with app.start_as_current_span("above") as above:
        with told.tracer(MUTED_SCOPE).start_as_current_span("muted"), app.start_as_current_span("inner"):
            pass
        muted = told.tracer(MUTED_SCOPE).start_span("muted as well")
        with trace.use_span(muted), app.start_as_current_span("innermost"):
            pass
    parents = {s.name: s.parent.span_id if s.parent else None for s in told.exporter.get_finished_spans()}
    here = above.get_span_context().span_id
    assert parents == {"inner": here, "innermost": here, "above": None}


def test_a_call_below_what_is_left_out_is_judged_by_what_is_above_it() -> None:
    told = Told()
    attributes = {"openinference.span.kind": "LLM"}
    with told.tracer("openinference.instrumentation.langchain").start_as_current_span("above", attributes=attributes):
        muted = told.tracer(MUTED_SCOPE).start_span("muted")
        assert isinstance(muted, LeftOutSpan)
        with trace.use_span(muted):
            call_model(told)
    assert told.names == ["above"]


def test_nothing_above_and_left_out_begins_a_trace_of_its_own_below() -> None:
    told = Told()
    with (
        trace.use_span(told.tracer(MUTED_SCOPE).start_span("muted")),
        told.tracer("my-app").start_as_current_span("x"),
    ):
        pass
    assert [(s.name, s.parent) for s in told.exporter.get_finished_spans()] == [("x", None)]


@pytest.mark.parametrize(
    ("name", "is_below"),
    [("agents", True), ("agents.run", True), ("agents_sdk", True), ("agentsx", False), ("agent", False)],
)
def test_names_begin_with_whole_words(name: str, is_below: bool) -> None:
    assert begins(name, ("agents",)) is is_below
