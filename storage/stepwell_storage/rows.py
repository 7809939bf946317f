"""Writes log records as lines of PostgreSQL's COPY text format (manual: COPY, "Text Format"); pure.

The order of the fields is that of ``copy_logs`` and its siblings in ``sql/facts.sql``; if you change one, also change
the other. Steps, of which there are far more, are written by `step_rows`.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter

from stepwell_storage.errors import StorageError
from stepwell_storage.model import Checkpoint, LogRecord

NULL = r"\N"
NS_PER_US = 1_000
US_PER_S = 1_000_000
CACHED_TEXT_CHARACTERS = 64
CACHED_TEXTS = 20_000


class UnstorableStepError(StorageError):
    """A step or a log record that PostgreSQL could not take, such as one with a time beyond the year 9999."""


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


def log_lines(workspace: str, records: Iterable[LogRecord]) -> bytes:
    """The COPY lines of a workspace's log records.

    Raises:
        UnstorableStepError: a text is no valid Unicode, or a time is beyond what PostgreSQL knows.
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


def checkpoints_json(checkpoints: Iterable[Checkpoint]) -> str:
    """The checkpoints of a step as a JSON list."""
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
