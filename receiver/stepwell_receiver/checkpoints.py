"""States that an agent saved to resume from: our own span events, and what LangGraph's metadata tells.

A LangGraph graph with a checkpointer saves its state after each round of nodes ("super-step"). Instrumentations pass on
the metadata of each node's task: the thread in which it is saved, the number of the round, and a namespace of nested
graphs that ends in the task. The spans below a task carry the same; the fold takes each round once.
"""

from typing import Final

import orjson

from stepwell.semconv import CHECKPOINT_EVENT, CHECKPOINT_ID, CHECKPOINT_STATE
from stepwell_receiver import values
from stepwell_receiver.fields import Fields
from stepwell_receiver.wire import Attributes, Event, Span, Value
from stepwell_storage.model import Checkpoint, Status

_TASK: Final = "langgraph_checkpoint_ns"
_NESTING: Final = "|"


def of_span(span: Span, fields: Fields, status: Status) -> tuple[Checkpoint, ...]:
    """The checkpoints that a span tells, its events' first."""
    stated = [_stated(event) for event in span.events if event.name == CHECKPOINT_EVENT]
    of_graph = _of_graph(span, fields, status)
    return (*stated, of_graph) if of_graph else tuple(stated)


def _stated(event: Event) -> Checkpoint:
    return Checkpoint(
        id=values.as_text(event.attributes.get(CHECKPOINT_ID)) or str(event.time_ns),
        time_ns=_micro(event.time_ns),
        state_json=values.parsed_json(event.attributes.get(CHECKPOINT_STATE)),
    )


def _of_graph(span: Span, fields: Fields, status: Status) -> Checkpoint | None:
    """What a task of a graph says of its round; ``None`` without a thread, in which alone a state is saved."""
    told = _metadata(fields)
    if not told:
        return None
    thread, task, step = (_plain(told.get(key)) for key in ("thread_id", _TASK, "langgraph_step"))
    if thread is None or task is None or values.as_count(step) is None:
        return None
    namespace = task.rpartition(_NESTING)[0]
    resume: dict[str, Value] = {
        "framework": "langgraph",
        "thread_id": thread,
        "checkpoint_ns": namespace,
        "step": values.as_count(step),
        "resumed_from": _plain(told.get("checkpoint_id")),
    }
    return Checkpoint(
        id=_NESTING.join((thread, namespace, str(step))),
        time_ns=_micro(max(span.start_ns, span.end_ns)),
        state_json=None,
        resume_json=values.as_json(resume),
        task=task,
        is_saved=status is Status.SUCCESS and not any(event.name == "exception" for event in span.events),
    )


def _metadata(fields: Fields) -> Attributes:
    """LangGraph's metadata, from attributes of their own or from one that holds all of it as JSON."""
    whole = fields.raw("metadata")
    if isinstance(whole, str) and _TASK in whole:
        parsed = values.parse_container(whole)
        return parsed if isinstance(parsed, dict) else {}
    return {key: fields.raw(field) for key, field in _FIELDS.items()} if fields.has("graph_task") else {}


_FIELDS: Final = {
    _TASK: "graph_task",
    "langgraph_step": "graph_step",
    "thread_id": "graph_thread",
    "checkpoint_id": "graph_resumed_from",
}
"""Key in LangGraph's metadata → the field that carries it. If you change this, also change the table of `fields`."""


def _plain(value: Value) -> str | None:
    """As text; some instrumentations write each value as JSON."""
    text = values.as_text(value)
    if text is None or not text.startswith('"'):
        return text
    try:
        return values.as_text(orjson.loads(text))
    except orjson.JSONDecodeError:
        return text


def _micro(time_ns: int) -> int:
    return time_ns - time_ns % 1000
