"""The dialects that Stepwell reads, in the order in which they are asked.

A span belongs to the first dialect that says what kind of work it is; fields that this one leaves open are looked up
in the others, since instrumentations mix names.
"""

from typing import Final

from stepwell_receiver.dialects import (
    adk,
    agent_framework,
    genai,
    generic,
    haystack,
    langfuse,
    langsmith,
    llamaindex,
    logfire,
    mastra,
    mcp,
    openinference,
    traceloop,
    vercel,
)
from stepwell_receiver.dialects.base import Dialect, Kind
from stepwell_receiver.wire import Scope, Span

DIALECTS: Final[tuple[Dialect, ...]] = (
    llamaindex.DIALECT,
    mastra.DIALECT,
    openinference.DIALECT,
    langfuse.DIALECT,
    langsmith.DIALECT,
    vercel.DIALECT,
    logfire.DIALECT,
    mcp.DIALECT,
    adk.DIALECT,
    agent_framework.DIALECT,
    haystack.DIALECT,
    traceloop.DIALECT,
    genai.DIALECT,
    generic.DIALECT,
)

_ASKED: Final = tuple((d, bool(d.markers or d.scopes), d.markers, d.scopes) for d in DIALECTS)


def detect(span: Span, scope: Scope) -> tuple[Dialect, Kind]:
    """The span's dialect and kind; the generic one takes what no other knows."""
    attributes = span.attributes
    for dialect, narrow, markers, scopes in _ASKED:
        if narrow and scope.name not in scopes and not any(marker in attributes for marker in markers):
            continue
        kind = dialect.kind(span, scope)
        if kind is not None:
            return dialect, kind
    raise AssertionError("the generic dialect knows every span")


__all__ = ["DIALECTS", "Dialect", "Kind", "detect"]
