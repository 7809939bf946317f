"""Writes steps and log records as lines of PostgreSQL's COPY text format (manual: COPY, "Text Format"); pure.

By hand, because this is the hottest path of ingest. The order of the fields is that of ``copy_steps`` and its
siblings in ``sql/facts.sql`` (``copy_logs`` for log records); if you change one, also change the other.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter

from stepwell_storage.errors import StorageError
from stepwell_storage.model import Checkpoint, LogRecord, Step

NULL = r"\N"
NS_PER_US = 1_000
US_PER_S = 1_000_000
CACHED_TEXT_CHARACTERS = 64
CACHED_TEXTS = 20_000


class UnstorableStepError(StorageError):
    """A step or a log record that PostgreSQL could not take, such as one with a time beyond the year 9999."""


_numbers = attrgetter(
    "duration_ms",
    "prompt_tokens",
    "completion_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd",
    "credits",
    "memory_mb",
)
_words = attrgetter(
    "name",
    "step_name",
    "step_type",
    "role",
    "operation",
    "status",
    "error_type",
    "error_message",
    "agent_name",
    "span_agent_name",
    "agent_ref",
    "agent_version",
    "model",
    "provider",
    "response_id",
    "finish_reason",
    "session_id",
    "conversation_id",
    "user_id",
    "trigger_type",
    "runtime_mode",
    "service_name",
    "service_version",
    "environment",
    "framework",
    "scope_name",
    "key_id",
)
_documents = attrgetter(
    "trigger_source_json",
    "input_json",
    "output_json",
    "error_json",
    "attributes_json",
    "resource_json",
    "events_json",
    "links_json",
)

_log_documents = attrgetter("input_json", "output_json", "body_json", "attributes_json")


def escape(text: str) -> str:
    """A text field of COPY; the tests spare the copies that most fields do not need."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text:
        text = text.replace("\n", "\\n")
    if "\r" in text:
        text = text.replace("\r", "\\r")
    if "\t" in text:
        text = text.replace("\t", "\\t")
    return text


class _EscapedWords(dict[str | None, str]):
    """Escaped short texts: names and models repeat in nearly every step."""

    def __missing__(self, text: str | None) -> str:
        if text is None:
            return NULL
        escaped = escape(text)
        if len(text) <= CACHED_TEXT_CHARACTERS and len(self) < CACHED_TEXTS:
            self[text] = escaped
        return escaped


_escaped_word = _EscapedWords({None: NULL}).__getitem__


def step_lines(workspace: str, steps: Iterable[Step]) -> bytes:
    """The COPY lines of a workspace's steps.

    Raises:
        UnstorableStepError: a text is no valid Unicode, or a time is beyond what PostgreSQL knows.
    """
    try:
        return "".join([_step_line(workspace, step) for step in steps]).encode()
    except (ValueError, TypeError, OverflowError, OSError) as error:
        raise UnstorableStepError(f"A step cannot be written as a row: {type(error).__name__}") from error


def _step_line(workspace: str, step: Step) -> str:
    parent, end_ns = step.parent_span_id, step.end_ns
    return (
        "\t".join(
            [
                workspace,
                rf"\\x{step.trace_id.hex()}",
                rf"\\x{step.span_id.hex()}",
                NULL if parent is None else rf"\\x{parent.hex()}",
                NULL if step.parent_is_remote is None else str(step.parent_is_remote),
                timestamp(step.start_ns),
                NULL if end_ns is None else timestamp(end_ns),
                *[NULL if number is None else repr(number) for number in _numbers(step)],
                *map(_escaped_word, _words(step)),
                NULL if step.process_key is None else rf"\\x{step.process_key.hex()}",
                "t" if step.has_input else "f",
                "t" if step.has_output else "f",
                escape(_array(step.flags)) if step.flags else "{}",
                escape(_checkpoints_json(step.checkpoints)) if step.checkpoints else NULL,
                *[NULL if document is None else escape(document) for document in _documents(step)],
            ]
        )
        + "\n"
    )


def log_lines(workspace: str, records: Iterable[LogRecord]) -> bytes:
    """The COPY lines of a workspace's log records.

    Raises:
        UnstorableStepError: as for `step_lines`.
    """
    try:
        return "".join([_log_line(workspace, record) for record in records]).encode()
    except (ValueError, TypeError, OverflowError, OSError) as error:
        raise UnstorableStepError(f"A log record cannot be written as a row: {type(error).__name__}") from error


def _log_line(workspace: str, record: LogRecord) -> str:
    severity, documents = record.severity_number, _log_documents(record)
    fields = [
        workspace,
        rf"\\x{record.trace_id.hex()}",
        rf"\\x{record.span_id.hex()}",
        timestamp(record.time_ns),
        rf"\\x{record.record_key.hex()}",
        _escaped_word(record.event_name),
        NULL if severity is None else str(severity),
        _escaped_word(record.severity_text),
        *[NULL if document is None else escape(document) for document in documents],
        escape(_array(record.flags)) if record.flags else "{}",
        _escaped_word(record.key_id),
    ]
    return "\t".join(fields) + "\n"


def timestamp(time_ns: int) -> str:
    """The time as PostgreSQL reads it, cut to the microseconds that it keeps."""
    second, microsecond = divmod(time_ns // NS_PER_US, US_PER_S)
    return f"{_second_text(second)}.{microsecond:06d}+00"


@lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _array(texts: Iterable[str]) -> str:
    """A literal of text[] (manual: "Array Input and Output Syntax"); always quoted, which no text can break."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join([f'"{text}"' for text in quoted]) + "}"


def _checkpoints_json(checkpoints: Iterable[Checkpoint]) -> str:
    return "[" + ",".join([_checkpoint_json(checkpoint) for checkpoint in checkpoints]) + "]"


def _checkpoint_json(checkpoint: Checkpoint) -> str:
    """``{"id", "time", "state"}``; the time in RFC 3339, the state as the agent's own JSON. A framework's own have
    ``resume``, ``task`` and ``saved`` as well.
    """
    time = timestamp(checkpoint.time_ns).replace(" ", "T").replace("+00", "Z")
    state = "null" if checkpoint.state_json is None else checkpoint.state_json
    told = f'"id": {json.dumps(checkpoint.id)}, "time": "{time}", "state": {state}'
    if checkpoint.task is not None:
        saved, resume = json.dumps(checkpoint.is_saved), checkpoint.resume_json or "null"
        told += f', "resume": {resume}, "task": {json.dumps(checkpoint.task)}, "saved": {saved}'
    return f"{{{told}}}"
