"""What a span's attribute keys say, whatever their values: found out once for each set of keys.

An instrumentation writes the same few sets of keys again and again, so that who may know a span, and which key carries
which field, is looked up here. `fields` reads the values, `alike` remembers what follows from a few of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeVar

from stepwell.semconv import (
    CREDITS,
    INPUT,
    MEMORY_MB,
    OUTPUT,
    RUNTIME_MODE,
    SPAN_STATE,
    STEP_TYPE,
    TRIGGER_SOURCE,
    TRIGGER_TYPE,
)
from stepwell_receiver.dialects import DIALECTS, SCOPED, Dialect, candidates, genai
from stepwell_receiver.wire import Attributes

CACHED_BYTES: Final = 16_000_000
"""Roughly how much memory all that is remembered may take, of sets of keys and of what is told under them."""
_BYTES_PER_KEY: Final = 100
_BYTES_PER_CHARACTER: Final = 4
_BYTES_PER_ANSWER: Final = 2_000
_TRIED: Final = 256
"""After how many answers it shows whether they are asked for again."""

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


TEXTS: Final = ("agent_ref", "response_id", "session_id", "conversation_id", "user_id")
COUNTS: Final = ("prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
AMOUNTS: Final = ("cost_usd", "credits", "memory_mb")
_LIVE_KEYS: Final = frozenset((SPAN_STATE, "logfire.span_type"))
_OWN_PAYLOAD: Final = frozenset((INPUT, OUTPUT))

Keys = tuple[str, ...]
Carried = tuple[tuple[int, Keys], ...]
"""Of a list of fields those that have keys: the place in the list, and the keys, best first."""
_Answer = TypeVar("_Answer")


class Layout(NamedTuple):
    """Where spans of a shape and a dialect keep what differs between them: for each field its keys, best first."""

    shape: "Shape"
    keys: Mapping[str, Keys]
    """Only fields that have any."""
    texts: Carried
    """Those of `TEXTS`; likewise the next two."""
    counts: Carried
    amounts: Carried
    finish_reason: Keys
    inputs: Keys
    outputs: Keys
    input_prefix: str | None
    """``None`` where no key begins like that."""
    output_prefix: str | None
    own_payload: frozenset[str]
    """Our own keys of input and output, as far as they are there."""
    may_be_live: bool
    may_have_checkpoint: bool


@dataclass(slots=True)
class Memo(Generic[_Answer]):
    """Answers under the values of some keys; once another key is found to decide as well, a new memo starts."""

    keys: Keys = ()
    known: dict[tuple[object, ...], _Answer] = field(default_factory=dict)
    uses: int = 0
    """How often an answer was looked up."""
    answers: int = 0
    """How many were worked out."""
    is_given_up: bool = False

    def is_useless(self) -> bool:
        """Whether most answers were not there, which then holds for good: to learn one more costs as much as two."""
        if self.answers >= _TRIED and self.answers * 2 > self.uses:
            self.is_given_up = True
        return self.is_given_up

    def with_keys(self, asked: Mapping[str, object]) -> "Memo[_Answer]":
        """Itself, or an empty one for these keys as well."""
        new = tuple(key for key in asked if key not in self.keys)
        return Memo(self.keys + new, {}, self.uses, self.answers) if new else self


class Shape:
    """A set of attribute keys."""

    __slots__ = ("_begins", "_candidates", "_fields", "_has", "_is_known", "_keys", "_layouts", "memo")

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = frozenset(keys)
        self._candidates: dict[frozenset[str], tuple[Dialect, ...]] = {}
        self._fields: dict[str, Mapping[str, tuple[str, ...]]] = {}
        self._has: dict[frozenset[str], bool] = {}
        self._begins: dict[str, bool] = {}
        self._layouts: dict[str, Layout] = {}
        self._is_known = False
        self.memo: Memo[Any] | None = None
        """What spans of this shape have in common (`alike`); ``None`` until there are several."""

    def met_again(self) -> None:
        """Counts a span; from the second on it is worth to remember anything."""
        self.memo = Memo() if self._is_known else None
        self._is_known = True

    def remember(self, memo: Memo[_Answer], told: tuple[object, ...], answer: _Answer, characters: int) -> None:
        """Keeps an answer under what tells it, which has that many characters."""
        memo.known[told] = answer
        _shapes.charge(characters * _BYTES_PER_CHARACTER + _BYTES_PER_ANSWER)

    def layout(self, dialect: Dialect) -> Layout:
        """Where spans of that dialect keep what differs between them."""
        found = self._layouts.get(dialect.name)
        if found is None:
            found = self._layouts[dialect.name] = self._laid_out(dialect)
        return found

    def _laid_out(self, dialect: Dialect) -> Layout:
        keys = self.fields(dialect)
        prefixes = (dialect.input_prefix or genai.INPUT_PREFIX, dialect.output_prefix or genai.OUTPUT_PREFIX)
        given, returned = (prefix if self.begins(prefix) else None for prefix in prefixes)
        return Layout(
            shape=self,
            keys=keys,
            texts=_carried(keys, TEXTS),
            counts=_carried(keys, COUNTS),
            amounts=_carried(keys, AMOUNTS),
            finish_reason=keys.get("finish_reason", ()),
            inputs=keys.get("input", ()),
            outputs=keys.get("output", ()),
            input_prefix=given,
            output_prefix=returned,
            own_payload=_OWN_PAYLOAD & self._keys,
            may_be_live=self.has_any(_LIVE_KEYS),
            may_have_checkpoint="metadata" in keys or "graph_task" in keys,
        )

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


def _carried(keys: Mapping[str, Keys], names: Sequence[str]) -> Carried:
    return tuple((place, keys[name]) for place, name in enumerate(names) if name in keys)


class _Shapes(dict[tuple[str, ...], Shape]):
    """Shapes by their keys; starts anew when it has grown too large."""

    size_bytes = 0

    def __missing__(self, keys: tuple[str, ...]) -> Shape:
        shape = Shape(keys)
        size_bytes = sum(map(len, keys)) * _BYTES_PER_CHARACTER + len(keys) * _BYTES_PER_KEY + _BYTES_PER_KEY
        if size_bytes < CACHED_BYTES // 100:
            self.charge(size_bytes)
            self[keys] = shape
        return shape

    def charge(self, size_bytes: int) -> None:
        """Makes room for that much, which is everything's where there is no more."""
        self.size_bytes += size_bytes
        if self.size_bytes > CACHED_BYTES:
            self.clear()
            self.size_bytes = size_bytes


_shapes: Final = _Shapes()


def shape_of(attributes: Attributes) -> Shape:
    """The shape of these attributes, remembered from the last time that these keys were seen."""
    return _shapes[tuple(attributes)]


def forget() -> None:
    """Starts anew, as in a process that has seen nothing yet."""
    _shapes.clear()
    _shapes.size_bytes = 0


def remembered_bytes() -> int:
    """Roughly how much memory is taken, at most `CACHED_BYTES`."""
    return _shapes.size_bytes


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
