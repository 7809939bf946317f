"""What makes a row the same row, as bytes that sort as the database's index does and are compared at once.

A span is known by its workspace, trace id, span id and start time, a log record by its span, its time and a digest of
its content.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Final

from stepwell_storage.model import LogRecord, Step, StepRow
from stepwell_storage.partitions import NS_PER_DAY
from stepwell_storage.rows import NS_PER_US

RECENT_KEYS = 100_000

AnyStep = Step | StepRow
Key = bytes
"""Day, workspace, trace id, span id, time in microseconds and, for log records, their digest; day and time are 0 where
a table knows its rows without them."""

_pack_key = Struct(">I16s16s8sQ").pack
TRACE_IN_KEY: Final = slice(4, 36)
"""The bytes of a key that are its workspace and trace; in the next also its span."""
SPAN_IN_KEY: Final = slice(4, 44)
WORKSPACE_IN_KEY: Final = slice(4, 20)
TIME_IN_KEY: Final = slice(44, 52)
_US_PER_DAY: Final = NS_PER_DAY // NS_PER_US


@dataclass(slots=True)
class RecentKeys:
    """Remembers the keys of the last rows, at least `RECENT_KEYS` of them; a guess that may be wrong both ways."""

    _newer: set[int] = field(default_factory=set)
    _older: set[int] = field(default_factory=set)

    def holds(self, key: Key) -> bool:
        """Whether the row may have been written lately; remembers that it is now."""
        mark = hash(key)
        if mark in self._newer or mark in self._older:
            return True
        self._newer.add(mark)
        if len(self._newer) >= RECENT_KEYS:
            self._older, self._newer = self._newer, set()
        return False


def finished_key(workspace: bytes, step: AnyStep) -> Key:
    """The key of a finished step."""
    start_us = step.start_ns // NS_PER_US
    return _pack_key(start_us // _US_PER_DAY, workspace, step.trace_id, step.span_id, start_us)


def live_key(workspace: bytes, step: AnyStep) -> Key:
    """Live steps have one table, which knows a span by its ids alone."""
    return _pack_key(0, workspace, step.trace_id, step.span_id, 0)


def log_key(workspace: bytes, record: LogRecord) -> Key:
    """The key of a log record."""
    key = _pack_key(0, workspace, record.trace_id, record.span_id, record.time_ns // NS_PER_US)
    return key + record.record_key


def stored_key(row: Sequence[Any]) -> Key:
    """The key of a finished step from what its insertion returns."""
    workspace_id, trace_id, span_id, start_us = row
    return _pack_key(start_us // _US_PER_DAY, workspace_id.bytes, trace_id, span_id, start_us)


def stored_live_key(row: Sequence[Any]) -> Key:
    """The same for a running step."""
    return _pack_key(0, row[0].bytes, row[1], row[2], 0)


def stored_log_key(row: Sequence[Any]) -> Key:
    """The same for a log record."""
    workspace_id, trace_id, span_id, time_us, record_key = row
    return _pack_key(0, workspace_id.bytes, trace_id, span_id, time_us) + bytes(record_key)
