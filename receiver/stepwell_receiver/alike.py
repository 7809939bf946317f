"""What a span has in common with those like it: whose dialect it is in, what kind of work, what it is called.

An instrumentation writes the same few spans again and again, with other ids, times, texts and counts. What is told
here follows from a span's name, its kind, its scope, its attribute keys and the values of a few of them, so it is
remembered under these (`shapes.Memo`). Which values decide is not written down anywhere: while it is worked out for the
first time, the attributes are watched for what is asked of them, so a dialect may look at whatever it likes. Nothing
else of a span can be seen from here, which makes a remembered answer the very one that would be worked out again.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, cast

from stepwell_receiver import naming, outcome, triggers, values
from stepwell_receiver.dialects import Kind, detect
from stepwell_receiver.fields import Fields
from stepwell_receiver.prices import Tariff, tariff_of_call
from stepwell_receiver.shapes import Layout, Memo, Shape, shape_of
from stepwell_receiver.wire import Attributes, Event, Scope, Span, Value
from stepwell_storage.model import Role, StepType

_STEP_TYPES: Final = {step_type.value: step_type for step_type in StepType}
_PRICED: Final = frozenset((Role.MODEL, Role.EMBEDDING))
_MAX_EVENTS: Final = 16
_LONGEST_CHARACTERS: Final = 2_000
"""How long the values may be, all together, under which an answer is remembered."""


class Common(NamedTuple):
    """What spans that are alike have in common."""

    kind: Kind
    layout: Layout
    """Where the span's own attributes and the derived ones keep what differs."""
    derived: Attributes
    """Attributes beside the span's own that its dialect finds in its name or in others; most spans have none."""
    named: tuple[str, StepType, Role, str]
    """Fields ``step_name`` to ``operation`` of a step."""
    agent: tuple[str | None, str | None]
    """Fields ``agent_name`` and ``span_agent_name``."""
    model: tuple[str | None, str | None, str | None]
    """Fields ``agent_version`` to ``provider``."""
    runtime_mode: str | None
    environment: str | None
    framework: str | None
    tariff: Tariff | None
    """The list prices of a call to a model that is known."""
    succeeds: bool
    """Whether the work ended well as far as status, attributes and the names of events tell."""
    may_be_triggered: bool
    """Whether attributes, kind or name may tell what started a run; the resource may, whatever this says."""


def of_span(span: Span, scope: Scope) -> Common:
    """What is common to all spans like this one."""
    attributes = span.attributes
    shape = shape_of(attributes)
    memo = shape.memo
    if memo is None:
        shape.met_again()
        return _worked_out(_Seen.of(span, scope), attributes, shape)
    events = tuple([event.name for event in span.events]) if span.events else ()
    memo.uses += 1
    told = (span.name, span.kind, span.status_code, scope.name, events, *map(attributes.__getitem__, memo.keys))
    try:
        common = memo.known.get(told)
    except TypeError:  # a list or an object decides
        common = None
    return _learned(span, scope, shape, memo) if common is None else common


def _learned(span: Span, scope: Scope, shape: Shape, memo: Memo[Common]) -> Common:
    """Works it out and remembers it, where that promises to be of use."""
    seen = _Seen.of(span, scope)
    if memo.is_useless() or len(seen.events) > _MAX_EVENTS:
        return _worked_out(seen, span.attributes, shape)
    memo.answers += 1
    watched = Watched(span.attributes)
    common = _worked_out(seen, cast("Attributes", watched), shape)
    memo = shape.memo = memo.with_keys(watched.asked)
    values = tuple(span.attributes[key] for key in memo.keys)
    # Numbers are left out because of what Python takes as equal: 1 and True are told as different texts.
    if all(value is None or type(value) is str for value in values):
        size = sum(len(value) for value in values if isinstance(value, str))
        if size <= _LONGEST_CHARACTERS:
            events = tuple(event.name for event in seen.events)
            told = (span.name, span.kind, span.status_code, scope.name, events, *values)
            shape.remember(memo, told, common, size + len(span.name) + sum(map(len, events)))
    return common


class Watched(Mapping[str, Value]):
    """Attributes that note whose values were asked for; which keys there are is known anyhow."""

    __slots__ = ("_attributes", "_derived", "asked")

    def __init__(self, attributes: Attributes, derived: Attributes | None = None) -> None:
        self._attributes = {**attributes, **derived} if derived else attributes
        self._derived = derived or {}
        self.asked: dict[str, None] = {}

    def __getitem__(self, key: str) -> Value:
        value = self._attributes[key]
        if key not in self._derived:
            self.asked[key] = None
        return value

    def __contains__(self, key: object) -> bool:
        return key in self._attributes

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)

    def along_with(self, derived: Attributes) -> "Watched":
        """These and what was derived of them, which needs no watching."""
        both = Watched(self._attributes, derived)
        both.asked = self.asked
        return both


class _Seen(NamedTuple):
    """As much of a span as may be looked at; if you change this, also change what answers are remembered under."""

    name: str
    kind: int
    status_code: int
    scope: Scope
    events: list[Event]

    @classmethod
    def of(cls, span: Span, scope: Scope) -> "_Seen":
        events = [Event(event.name, 0, {}) for event in span.events]
        return cls(span.name, span.kind, span.status_code, Scope(scope.name, "", {}), events)

    def with_attributes(self, attributes: Attributes) -> Span:
        return Span(
            b"", b"", b"", self.name, self.kind, 0, 0, attributes, self.events, [], self.status_code, "", flags=0
        )


def _worked_out(seen: _Seen, attributes: Attributes, shape: Shape) -> Common:
    span = seen.with_attributes(attributes)
    dialect, kind = detect(span, seen.scope, shape.candidates(seen.scope.name))
    derived = (dialect.derive(span) if dialect.derive else None) or {}
    told = _told(attributes, derived) if derived else attributes
    layout = (shape_of(told) if derived else shape).layout(dialect)
    fields = Fields(told, layout)
    models, provider = fields.texts("model"), fields.text("provider")
    names = naming.names_of(span.name, kind.role, _stated_names(fields, kind), models, dialect.spans_name_agents)
    step_type = _STEP_TYPES.get(fields.text("step_type") or "") or naming.step_type_of(span, kind)
    model = models[0] if models and kind.role in naming.MODEL_ROLES else None
    return Common(
        kind=kind,
        layout=layout,
        derived=derived,
        named=(names.step_name or kind.operation, step_type, kind.role, kind.operation[: values.MAX_NAME_CHARACTERS]),
        agent=(names.agent_name, names.span_agent_name),
        model=(fields.text("agent_version"), model, provider if model else None),
        runtime_mode=fields.text("runtime_mode"),
        environment=fields.text("environment"),
        framework=naming.framework_of(seen.scope.name) or dialect.framework,
        tariff=_tariff(models, provider) if kind.role in _PRICED else None,
        succeeds=outcome.succeeds(span, told),
        may_be_triggered=triggers.may_tell(span, layout.shape, kind.role),
    )


def _tariff(models: tuple[str, ...], provider: str | None) -> Tariff | None:
    if not models:
        return None
    return tariff_of_call(models[0], models[1] if len(models) > 1 else None, provider)


def _told(attributes: Attributes, derived: Attributes) -> Attributes:
    if isinstance(attributes, Watched):
        return cast("Attributes", attributes.along_with(derived))
    return {**attributes, **derived}


def _stated_names(fields: Fields, kind: Kind) -> naming.Stated:
    own = fields.text("own_name")
    agent = fields.text("agent_name")
    if kind.role is Role.WORKFLOW:
        agent = own or fields.text("workflow_name") or agent
    elif kind.role is Role.AGENT:
        agent = own or agent
    return naming.Stated(agent=agent, tool=fields.text("tool_name") or own)
