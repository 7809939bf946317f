"""The Model Context Protocol's spans: requests of clients, and how servers answer them.

A request that calls a tool is that tool's call, whichever side reports it; all others (listings, hand-shakes) are
plain work. Source: OpenTelemetry's semantic conventions for MCP, the spans of the official SDKs, and Logfire's
integration (scope ``logfire.mcp``), which puts request and response on the span as JSON.
"""

from collections.abc import Mapping
from typing import Any, Final

from stepwell_receiver import values
from stepwell_receiver.dialects.base import FUNCTION, TOOL, Dialect, Keys, Kind
from stepwell_receiver.wire import Attributes, Scope, Span

_METHOD: Final = "mcp.method.name"
_LOGFIRE: Final = "logfire.mcp"
_CALL: Final = "tools/call"
_TOOL: Final = "mcp.request.tool.name"

FIELDS: Final[Mapping[str, Keys]] = {
    "tool_name": ("gen_ai.tool.name", _TOOL),
    "session_id": ("session.id",),
}


def kind(span: Span, scope: Scope) -> Kind | None:
    """A tool's call by its method, which Logfire tells in the span's name."""
    method = values.as_text(span.attributes.get(_METHOD))
    if method is None and scope.name == _LOGFIRE:
        method = _CALL if _CALL in span.name else span.name
    if method is None:
        return None
    return TOOL if method == _CALL else FUNCTION


def of_request(span: Span) -> Attributes:
    """The tool that the span's name (``tools/call x``) or the request tells, and an error that the response returns."""
    told: Attributes = {}
    _, called, name = span.name.partition(_CALL + " ")
    tool = name.strip() or _object(_object(span.attributes.get("request")).get("params")).get("name")
    if tool and (called or _CALL in span.name):
        told[_TOOL] = tool
    if _object(span.attributes.get("response")).get("isError") is True:
        told["gen_ai.tool.status"] = "error"
    return told


def _object(told: Any) -> dict[str, Any]:
    parsed = values.parse_container(told) if isinstance(told, str) else told
    return parsed if isinstance(parsed, dict) else {}


DIALECT: Final = Dialect(
    name="mcp",
    kind=kind,
    markers=(_METHOD,),
    scopes=(_LOGFIRE,),
    fields=FIELDS,
    input_keys=("gen_ai.tool.call.arguments", "request"),
    output_keys=("gen_ai.tool.call.result", "response"),
    derive=of_request,
)
