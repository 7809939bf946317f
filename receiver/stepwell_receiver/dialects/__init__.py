"""The dialects that Stepwell reads, in the order in which they are asked.

A span belongs to the first dialect that says what kind of work it is; fields that this one leaves open are looked up
in the others, since instrumentations mix names.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
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
    llamaindex.OPENLLMETRY,
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


def _scoped() -> dict[str, frozenset[str]]:
    names = {name for dialect in DIALECTS for name in dialect.scopes}
    return {name: frozenset(dialect.name for dialect in DIALECTS if name in dialect.scopes) for name in names}


SCOPED: Final[Mapping[str, frozenset[str]]] = _scoped()
"""Name of an instrumentation scope → the names of the dialects that it is known to write."""


def candidates(keys: AbstractSet[str], scoped: AbstractSet[str]) -> tuple[Dialect, ...]:
    """The dialects that may know a span with these attribute keys, in a scope that is known to write those `scoped`."""
    return tuple(
        dialect
        for dialect in DIALECTS
        if not (dialect.markers or dialect.scopes)
        or dialect.name in scoped
        or any(marker in keys for marker in dialect.markers)
    )


def detect(span: Span, scope: Scope, asked: Iterable[Dialect]) -> tuple[Dialect, Kind]:
    """The span's dialect and kind, of those `asked`; the generic one takes what no other knows."""
    for dialect in asked:
        kind = dialect.kind(span, scope)
        if kind is not None:
            return dialect, kind
    raise AssertionError("the generic dialect knows every span")


__all__ = ["DIALECTS", "SCOPED", "Dialect", "Kind", "candidates", "detect"]
