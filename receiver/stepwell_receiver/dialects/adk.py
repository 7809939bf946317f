"""Google's Agent Development Kit 1 (scope ``gcp.vertex.agent``), whose agent and model spans name no operation.

ADK 2 follows OpenTelemetry's conventions, so that `genai` reads its spans.
"""

from collections.abc import Mapping
from typing import Final

from stepwell_receiver.dialects.base import AGENT, CHAT, FUNCTION, TOOL, WORKFLOW, Dialect, Keys, Kind
from stepwell_receiver.wire import Scope, Span

_NAMES: Final[tuple[tuple[str, Kind], ...]] = (
    ("invocation", WORKFLOW),
    ("agent_run", AGENT),
    ("invoke_agent", AGENT),
    ("call_llm", CHAT),
    ("generate_content", CHAT),
    ("execute_tool", TOOL),
)

_MERGED_ANSWERS: Final = "execute_tool (merged)"

FIELDS: Final[Mapping[str, Keys]] = {
    "session_id": ("gcp.vertex.agent.session_id",),
    "user_id": ("gcp.vertex.agent.user_id",),
}


def kind(span: Span, scope: Scope) -> Kind | None:
    """By how the name begins; a span that only joins the answers of parallel tool calls is none itself."""
    if scope.name != "gcp.vertex.agent":
        return None
    if span.name == _MERGED_ANSWERS:
        return FUNCTION
    if "gen_ai.operation.name" in span.attributes:
        return None
    for start, found in _NAMES:
        if span.name.startswith(start):
            return found
    return FUNCTION


DIALECT: Final = Dialect(
    name="adk",
    kind=kind,
    scopes=("gcp.vertex.agent",),
    fields=FIELDS,
    input_keys=("gcp.vertex.agent.llm_request", "gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.data"),
    output_keys=("gcp.vertex.agent.llm_response", "gcp.vertex.agent.tool_response"),
)
