"""LlamaIndex: which of its spans call a model or a tool, and where the agent's name hides.

Instrumentations name the run after the workflow's class; the agent's name stands in the text of the events that its
steps were given or returned. OpenInference marks each method of a model class as a model call, also those that only
prepare one; OpenLLMetry writes tool calls as tasks.
"""

import re
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.dialects import openinference, traceloop
from stepwell_receiver.dialects.base import FUNCTION, TOOL, Dialect, Kind
from stepwell_receiver.wire import Attributes, Scope, Span

_AGENT: Final = re.compile(r"current_agent_name(?:='|\": \")([^'\"]{1,200})['\"]")
_OPENLLMETRY: Final = "opentelemetry.instrumentation.llamaindex"
_LOOKED_AT: Final = 100_000


def kind(span: Span, scope: Scope) -> Kind | None:
    """OpenInference's, save that a private method of a model (``x._prepare_chat_with_tools``) calls none."""
    if "llama_index" not in scope.name:
        return None
    if span.attributes.get("openinference.span.kind") == "LLM" and span.name.rpartition(".")[2].startswith("_"):
        return FUNCTION
    return openinference.kind(span, scope)


def agent(span: Span) -> Attributes:
    """The agent that an event in the span's input names."""
    given = values.as_text(span.attributes.get("input.value"))
    found = _AGENT.search(given[:_LOOKED_AT]) if given else None
    return {"llama_index.current_agent_name": found[1]} if found else {}


def kind_of_task(span: Span, scope: Scope) -> Kind | None:
    """OpenLLMetry's, save that a task with a tool's name calls it."""
    if scope.name != _OPENLLMETRY:
        return None
    found = traceloop.kind(span, scope)
    return TOOL if found and "tool.name" in span.attributes else found


def agent_of_task(span: Span) -> Attributes:
    """The agent that an event which a task returned names; a workflow's last event names whoever ended it.

    The entity is a class and its method, which is no name.
    """
    told: Attributes = {"traceloop.entity.name": None}
    returned = values.as_text(span.attributes.get("traceloop.entity.output"))
    if returned and span.attributes.get("traceloop.span.kind") == "task":
        found = _AGENT.search(returned[:_LOOKED_AT])
        told["llama_index.current_agent_name"] = found[1] if found else None
    return told


DIALECT: Final = Dialect(
    name="llamaindex",
    kind=kind,
    markers=("openinference.span.kind",),
    fields={**openinference.FIELDS, "agent_name": ("agent.name", "llama_index.current_agent_name")},
    input_keys=openinference.DIALECT.input_keys,
    output_keys=openinference.DIALECT.output_keys,
    input_prefix=openinference.DIALECT.input_prefix,
    output_prefix=openinference.DIALECT.output_prefix,
    derive=agent,
)

OPENLLMETRY: Final = Dialect(
    name="llamaindex_openllmetry",
    kind=kind_of_task,
    scopes=(_OPENLLMETRY,),
    fields={**traceloop.FIELDS, "agent_name": ("llama_index.current_agent_name",), "tool_name": ("tool.name",)},
    input_keys=("traceloop.entity.input", "tool.arguments"),
    output_keys=("traceloop.entity.output",),
    derive=agent_of_task,
)
