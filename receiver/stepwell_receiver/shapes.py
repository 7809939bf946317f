"""What a span's attribute keys say, whatever their values: found out once for each set of keys.

An instrumentation writes the same few sets of keys again and again, so that who may know a span, and which key carries
which field, is looked up here. `fields` reads the values.
"""

from collections.abc import Mapping
from typing import Final

from stepwell.semconv import (
    CREDITS,
    INPUT,
    MEMORY_MB,
    OUTPUT,
    RUNTIME_MODE,
    STEP_TYPE,
    TRIGGER_SOURCE,
    TRIGGER_TYPE,
)
from stepwell_receiver.dialects import DIALECTS, SCOPED, Dialect, candidates
from stepwell_receiver.wire import Attributes

CACHED_BYTES: Final = 16_000_000
"""Roughly how much memory the sets of keys that are remembered may take."""
_BYTES_PER_KEY: Final = 100
_BYTES_PER_CHARACTER: Final = 4

Places = Mapping[str, tuple[tuple[str, int], ...]]
"""Attribute key → the fields that it may carry, each with its rank (0 is best)."""

_METADATA: Final = (
    "metadata.",
    "traceloop.association.properties.",
    "langsmith.metadata.",
    "langfuse.observation.metadata.",
)
"""Where instrumentations put what a framework keeps about its own tasks, one attribute for each key."""


def _in_metadata(key: str) -> tuple[str, ...]:
    return (key, *(prefix + key for prefix in _METADATA))


_COMMON: Final[Mapping[str, tuple[str, ...]]] = {
    "declared_input": (INPUT,),
    "declared_output": (OUTPUT,),
    "step_type": (STEP_TYPE,),
    "credits": (CREDITS,),
    "memory_mb": (MEMORY_MB,),
    "trigger_type": (TRIGGER_TYPE,),
    "trigger_source": (TRIGGER_SOURCE,),
    "runtime_mode": (RUNTIME_MODE,),
    "environment": (
        "deployment.environment.name",
        "deployment.environment",
        "langfuse.environment",
        "gen_ai.environment",
    ),
    "metadata": ("metadata",),
    "graph_task": _in_metadata("langgraph_checkpoint_ns"),
    "graph_step": _in_metadata("langgraph_step"),
    "graph_thread": _in_metadata("thread_id"),
    "graph_resumed_from": _in_metadata("checkpoint_id"),
}
"""What any span may carry, whatever its dialect: our own attributes, the environment, LangGraph's metadata."""


class Shape:
    """A set of attribute keys."""

    __slots__ = ("_begins", "_candidates", "_fields", "_has", "_keys")

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = frozenset(keys)
        self._candidates: dict[frozenset[str], tuple[Dialect, ...]] = {}
        self._fields: dict[str, Mapping[str, tuple[str, ...]]] = {}
        self._has: dict[frozenset[str], bool] = {}
        self._begins: dict[str, bool] = {}

    def candidates(self, scope_name: str) -> tuple[Dialect, ...]:
        """The dialects that may know a span with these keys and of that scope, in their order."""
        scoped = SCOPED.get(scope_name, _NO_DIALECTS)
        found = self._candidates.get(scoped)
        if found is None:
            found = self._candidates[scoped] = candidates(self._keys, scoped)
        return found

    def fields(self, dialect: Dialect) -> Mapping[str, tuple[str, ...]]:
        """Field → the keys that may carry it in that dialect, best first; only fields that have any."""
        found = self._fields.get(dialect.name)
        if found is None:
            found = self._fields[dialect.name] = self._found(_PLACES[dialect.name])
        return found

    def has_any(self, keys: frozenset[str]) -> bool:
        """Whether one of these keys is there; ask for constant sets only, each answer is kept."""
        found = self._has.get(keys)
        if found is None:
            found = self._has[keys] = not keys.isdisjoint(self._keys)
        return found

    def begins(self, prefix: str) -> bool:
        """Whether a key begins like that; ask for constant prefixes only, each answer is kept."""
        found = self._begins.get(prefix)
        if found is None:
            found = self._begins[prefix] = any(key.startswith(prefix) for key in self._keys)
        return found

    def _found(self, places: Places) -> Mapping[str, tuple[str, ...]]:
        ranked: dict[str, list[tuple[int, str]]] = {}
        for key in self._keys & places.keys():
            for name, rank in places[key]:
                ranked.setdefault(name, []).append((rank, key))
        return {name: tuple(key for _, key in sorted(found)) for name, found in ranked.items()}


class _Shapes(dict[tuple[str, ...], Shape]):
    """Shapes by their keys; starts anew when it has grown too large."""

    size_bytes = 0

    def __missing__(self, keys: tuple[str, ...]) -> Shape:
        shape = Shape(keys)
        size_bytes = sum(map(len, keys)) * _BYTES_PER_CHARACTER + len(keys) * _BYTES_PER_KEY + _BYTES_PER_KEY
        if size_bytes < CACHED_BYTES // 100:
            self.size_bytes += size_bytes
            if self.size_bytes > CACHED_BYTES:
                self.clear()
                self.size_bytes = size_bytes
            self[keys] = shape
        return shape


_shapes: Final = _Shapes()


def shape_of(attributes: Attributes) -> Shape:
    """The shape of these attributes, remembered from the last time that these keys were seen."""
    return _shapes[tuple(attributes)]


_NO_DIALECTS: Final[frozenset[str]] = frozenset()


def _tables(dialect: Dialect) -> Mapping[str, tuple[str, ...]]:
    return {**dialect.fields, "input": dialect.input_keys, "output": dialect.output_keys}


def _places_of(dialect: Dialect) -> Places:
    """The dialect's own keys first, then those of the others that mean nothing else: all with a namespace."""
    ranked: dict[str, dict[str, None]] = {name: dict.fromkeys(keys) for name, keys in _COMMON.items()}
    for source in (dialect, *DIALECTS):
        for name, keys in _tables(source).items():
            if source is dialect or name != "own_name":
                known = (key for key in keys if source is dialect or "." in key)
                ranked.setdefault(name, {}).update(dict.fromkeys(known))
    places: dict[str, tuple[tuple[str, int], ...]] = {}
    for name, keys_in_order in ranked.items():
        for rank, key in enumerate(keys_in_order):
            places[key] = (*places.get(key, ()), (name, rank))
    return places


_PLACES: Final = {dialect.name: _places_of(dialect) for dialect in DIALECTS}
