"""LlamaIndex through OpenInference: which of its model spans call a model, and where the agent's name hides.

The instrumentation marks each method of a model class as a model call, also those that only prepare one, and names
the run after the workflow's class; the agent's name stands in the text of the events that its steps were given.
"""

import re
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.dialects import openinference
from stepwell_receiver.dialects.base import FUNCTION, Dialect, Kind
from stepwell_receiver.wire import Attributes, Scope, Span

_AGENT: Final = re.compile(r"current_agent_name='([^']{1,200})'")
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
