"""Haystack's own tracing: pipelines and components (attributes ``haystack.*``)."""

from collections.abc import Mapping
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.dialects.base import (
    AGENT,
    CHAIN,
    CHAT,
    EMBEDDINGS,
    FUNCTION,
    RERANK,
    RETRIEVAL,
    TOOL,
    Dialect,
    Keys,
    Kind,
)
from stepwell_receiver.wire import Scope, Span

_COMPONENTS: Final[tuple[tuple[str, Kind], ...]] = (
    ("Agent", AGENT),
    ("ToolInvoker", TOOL),
    ("Generator", CHAT),
    ("Embedder", EMBEDDINGS),
    ("Retriever", RETRIEVAL),
    ("Ranker", RERANK),
)

FIELDS: Final[Mapping[str, Keys]] = {
    "own_name": ("haystack.agent.name", "haystack.tool.name", "haystack.component.name"),
}


def kind(span: Span, scope: Scope) -> Kind | None:
    """Pipelines are chains; a component is what its class's name ends in."""
    if not span.name.startswith("haystack."):
        return None
    if span.name.startswith("haystack.agent."):
        return AGENT if span.name == "haystack.agent.run" else CHAIN
    if "pipeline" in span.name:
        return CHAIN
    component = values.as_text(span.attributes.get("haystack.component.type")) or ""
    for ending, found in _COMPONENTS:
        if component.endswith(ending):
            return found
    return FUNCTION


DIALECT: Final = Dialect(
    name="haystack",
    kind=kind,
    fields=FIELDS,
    input_keys=("haystack.component.input", "haystack.pipeline.input_data", "haystack.agent.input"),
    output_keys=("haystack.component.output", "haystack.pipeline.output_data", "haystack.agent.output"),
)
