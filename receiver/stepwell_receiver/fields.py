"""A span's attributes by field: one pass over them with a dialect's table, instead of one look-up for each spelling."""

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
from stepwell_receiver import values
from stepwell_receiver.dialects import DIALECTS, Dialect
from stepwell_receiver.wire import Attributes, Value

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


class Fields:
    """What a span's attributes say, by field; every method gives ``None`` for what they do not say."""

    __slots__ = ("_found",)

    def __init__(self, attributes: Attributes, dialect: Dialect) -> None:
        places = _PLACES[dialect.name]
        self._found: dict[str, list[tuple[int, str, Value]]] = {}
        for key in attributes.keys() & places.keys():
            value = attributes[key]
            if value is not None and value != "":
                for name, rank in places[key]:
                    self._found.setdefault(name, []).append((rank, key, value))

    def has(self, name: str) -> bool:
        """Whether any attribute carries the field."""
        return name in self._found

    def ranked(self, name: str) -> list[tuple[int, str, Value]]:
        """(rank, key, value) of all that carry the field, best first."""
        found = self._found.get(name)
        if found is None:
            return []
        if len(found) > 1:
            found.sort(key=_rank)
        return found

    def raw(self, name: str) -> Value:
        """The value as sent."""
        found = self._found.get(name)
        if found is None:
            return None
        return found[0][2] if len(found) == 1 else min(found, key=_rank)[2]

    def text(self, name: str) -> str | None:
        """As text that names something, without white space around it."""
        return None if name not in self._found else values.as_name(self.raw(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """All the different texts that carry the field, best first."""
        texts = (values.as_name(value) for _, _, value in self.ranked(name))
        return tuple(dict.fromkeys(text for text in texts if text))

    def count(self, name: str) -> int | None:
        """As a count of things."""
        return None if name not in self._found else values.as_count(self.raw(name))

    def number(self, name: str) -> float | None:
        """As an amount."""
        return None if name not in self._found else values.as_number(self.raw(name))

    def json(self, name: str) -> str | None:
        """As JSON text of what is JSON by definition."""
        return None if name not in self._found else values.parsed_json(self.raw(name))


def _rank(found: tuple[int, str, Value]) -> int:
    return found[0]


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
