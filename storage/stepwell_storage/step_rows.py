"""Writes steps as rows of PostgreSQL's binary COPY format (manual: COPY, "Binary Format"); pure.

By hand, because this is the hottest path of ingest; binary, because times, numbers and JSON then go in as they are. The
receiver writes a step's row as soon as it has mapped it, since a moment later the step has left the processor's caches.
What many steps have in common is written once for them. The order of the fields is that of ``copy_steps`` and its
siblings in ``sql/facts.sql``; if you change one, also change the other.
"""

from collections.abc import Sequence
from operator import itemgetter
from struct import Struct, error
from typing import Any, Final

from stepwell_storage.model import Role, Step, StepRow
from stepwell_storage.rows import NS_PER_US, UnstorableStepError, checkpoints_json

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""Before the first row: the format's name, no flags, no extension."""
TRAILER: Final = b"\xff\xff"
"""After the last row."""

_COLUMNS: Final = 56
_US_TO_2000: Final = 946_684_800_000_000
"""PostgreSQL counts microseconds from the year 2000."""
_END_US: Final = 253_402_300_800_000_000
"""The year 10000: PostgreSQL goes further, but not what reads from it."""
_CACHED_BLOCKS: Final = 2_048
_CACHED_BLOCK_BYTES: Final = 4_096
_TEXT_TYPE: Final = 25

_NULL: Final = b"\xff\xff\xff\xff"
_BOOLEANS: Final = {None: _NULL, False: b"\0\0\0\1\0", True: b"\0\0\0\1\1"}
_NO_FLAGS: Final = Struct(">iiii").pack(12, 0, 0, _TEXT_TYPE)
"""An empty array has no dimensions (``array_send`` in PostgreSQL's ``arrayfuncs.c``)."""

_row_start = Struct(">hi16s").pack
_key = Struct(">i16si8siqi").pack
_key_and_parent = Struct(">i16si8siqi8s").pack
_end_and_duration = Struct(">iqid").pack
_length = Struct(">i").pack
_integer = Struct(">iq").pack
_double = Struct(">id").pack
_document_start = Struct(">ib").pack
_array_start = Struct(">iiiii").pack


def _getter(*names: str) -> "itemgetter[tuple[Any, ...]]":
    """The fields of a step by their place, which is faster than by name."""
    return itemgetter(*(Step._fields.index(name) for name in names))


_beginning = _getter(
    "trace_id", "span_id", "start_ns", "end_ns", "is_live", "parent_span_id", "parent_is_remote", "duration_ms"
)
_counts = _getter("prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
_amounts = _getter("cost_usd", "credits", "memory_mb")
_shared = _getter(
    *("process_key", "has_input", "has_output", "flags", "resource_json"),
    *("name", "step_name", "step_type", "role", "operation", "status", "agent_name", "span_agent_name"),
    *("agent_version", "model", "provider", "finish_reason", "trigger_type", "runtime_mode", "service_name"),
    *("service_version", "environment", "framework", "scope_name", "key_id"),
)
_own_words = _getter(
    *("error_type", "error_message", "agent_ref", "response_id", "session_id", "conversation_id", "user_id"),
)
_own_documents = _getter(
    *("trigger_source_json", "input_json", "output_json", "error_json", "attributes_json"),
    *("events_json", "links_json"),
)
_NO_COUNTS: Final = (None,) * 5
_NO_AMOUNTS: Final = (None,) * 3
_NO_WORDS: Final = (None,) * 7
_NO_OWN_WORDS: Final = [_NULL * 7]
_TOP_ROLES: Final = (Role.AGENT, Role.WORKFLOW)


def encode(step: Step) -> StepRow:
    """The step's row.

    Raises:
        UnstorableStepError: a text is no valid Unicode, or a number or a time is beyond what PostgreSQL knows.
    """
    try:
        return _encoded(step)
    except (ValueError, TypeError, OverflowError, error) as cause:
        raise UnstorableStepError(f"A step cannot be written as a row: {type(cause).__name__}") from cause


def may_end_run(step: Step | StepRow) -> bool:
    """Whether a run may be over with this step; see `StepRow`."""
    if isinstance(step, StepRow):
        return step.may_end_run
    is_top = step.parent_span_id is None or step.parent_is_remote or step.role in _TOP_ROLES
    return bool(is_top and not step.is_live)


def join(workspace: bytes, steps: Sequence[Step | StepRow]) -> bytes:
    """The rows of a workspace's steps, as COPY takes them between `SIGNATURE` and `TRAILER`.

    Raises:
        UnstorableStepError: as for `encode`.
    """
    start = _row_start(_COLUMNS, len(workspace), workspace)
    rows = [step.encoded if isinstance(step, StepRow) else encode(step).encoded for step in steps]
    return start + start.join(rows) if rows else b""


def _encoded(step: Step) -> StepRow:
    trace_id, span_id, start_ns, end_ns, is_live, parent_id, is_remote, duration_ms = _beginning(step)
    if len(trace_id) != 16 or len(span_id) != 8 or len(span_id if parent_id is None else parent_id) != 8:
        raise ValueError("an id of the wrong length")
    parts = [
        _key(16, trace_id, 8, span_id, 8, _pg_us(start_ns), -1)
        if parent_id is None
        else _key_and_parent(16, trace_id, 8, span_id, 8, _pg_us(start_ns), 8, parent_id),
        _BOOLEANS[is_remote],
    ]
    if end_ns is not None and duration_ms is not None:
        parts.append(_end_and_duration(8, _pg_us(end_ns), 8, duration_ms))
    else:
        parts.append(_NULL if end_ns is None else _integer(8, _pg_us(end_ns)))
        parts.append(_NULL if duration_ms is None else _double(8, duration_ms))
    counts, amounts = _counts(step), _amounts(step)
    if counts == _NO_COUNTS and amounts == _NO_AMOUNTS:
        parts.append(_NULL * 8)
    else:
        parts += [_NULL if count is None else _integer(8, count) for count in counts]
        parts += [_NULL if amount is None else _double(8, amount) for amount in amounts]
    parts.append(_blocks[_shared(step)])
    words = _own_words(step)
    parts += _NO_OWN_WORDS if words == _NO_WORDS else [_NULL if word is None else _word(word) for word in words]
    parts.append(_document(checkpoints_json(step.checkpoints)) if step.checkpoints else _NULL)
    for document in _own_documents(step):
        if document is None:
            parts.append(_NULL)
        else:
            text = document.encode()
            parts += (_document_start(len(text) + 1, 1), text)
    return StepRow._make((trace_id, span_id, start_ns, end_ns, is_live, may_end_run(step), b"".join(parts)))


def _pg_us(time_ns: int) -> int:
    us = time_ns // NS_PER_US
    if us >= _END_US:
        raise ValueError("a time beyond the year 9999")
    return us - _US_TO_2000


class _Blocks(dict[tuple[Any, ...], bytes]):
    """Encoded fields that steps share, by their values; starts anew when it is full."""

    def __missing__(self, values: tuple[Any, ...]) -> bytes:
        process_key, has_input, has_output, flags, resource_json, *words = values
        parts = [
            *map(_word, words),
            _NULL if process_key is None else _length(len(process_key)) + process_key,
            _BOOLEANS[has_input],
            _BOOLEANS[has_output],
            _array(flags) if flags else _NO_FLAGS,
            _NULL if resource_json is None else _document(resource_json),
        ]
        block = b"".join(parts)
        if len(block) <= _CACHED_BLOCK_BYTES:
            if len(self) >= _CACHED_BLOCKS:
                self.clear()
            self[values] = block
        return block


_blocks: Final = _Blocks()


def _word(text: str | None) -> bytes:
    if text is None:
        return _NULL
    encoded = text.encode()
    return _length(len(encoded)) + encoded


def _document(text: str) -> bytes:
    """JSON as ``jsonb`` takes it: a version, then the text."""
    encoded = text.encode()
    return _document_start(len(encoded) + 1, 1) + encoded


def _array(texts: Sequence[str]) -> bytes:
    """``text[]``: one dimension, no NULLs, its elements from 1 on."""
    elements = b"".join(map(_word, texts))
    start = _array_start(1, 0, _TEXT_TYPE, len(texts), 1)
    return _length(len(start) + len(elements)) + start + elements
