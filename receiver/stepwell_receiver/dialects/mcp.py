"""The Model Context Protocol's spans (attribute ``mcp.method.name``): requests of clients, and how servers answer them.

A request that calls a tool is that tool's call, whichever side reports it; all others (listings, hand-shakes) are
plain work. Source: OpenTelemetry's semantic conventions for MCP, and the spans of the official SDKs.
"""

from collections.abc import Mapping
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.dialects.base import FUNCTION, TOOL, Dialect, Keys, Kind
from stepwell_receiver.wire import Attributes, Scope, Span

_METHOD: Final = "mcp.method.name"
_CALL: Final = "tools/call"
_TOOL: Final = "mcp.request.tool.name"

FIELDS: Final[Mapping[str, Keys]] = {
    "tool_name": ("gen_ai.tool.name", _TOOL),
    "session_id": ("session.id",),
}


def kind(span: Span, scope: Scope) -> Kind | None:
    """A tool's call by its method; the conventions put the tool's name only where the SDK knows it."""
    method = values.as_text(span.attributes.get(_METHOD))
    if method is None:
        return None
    return TOOL if method == _CALL else FUNCTION


def named_tool(span: Span) -> Attributes:
    """The tool that the span's name tells (``tools/call x``)."""
    _, called, name = span.name.partition(_CALL + " ")
    return {_TOOL: name.strip()} if called and name.strip() else {}


DIALECT: Final = Dialect(name="mcp", kind=kind, markers=(_METHOD,), fields=FIELDS, derive=named_tool)
