"""What a run takes of its process: memory, CPU time, HTTP requests and model calls.

A meter runs for the outermost agent of a trace in this process. Memory is the process' resident memory at its highest,
as sampled; CPU time is the process' own, so that of runs at the same time each counts what all of them used.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from stepwell.plan import MODEL_OPERATIONS, OPERATION
from stepwell.semconv import CPU_MS, HTTP_CALLS, MEMORY_MB, MODEL_CALLS

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span

MAX_METERS: Final = 10_000
_BYTES_PER_MB: Final = 1e6
_STATM: Final = "/proc/self/statm"
_opened: tuple[int, int] | None = None
"""The process and its descriptor of `_STATM`."""

_meters: dict[int, Meter] = {}


class Meter:
    """Counts for one trace in this process, from `start` to `stop`."""

    __slots__ = ("_cpu_start_s", "_trace_id", "http_calls", "model_calls", "peak_mb")

    def __init__(self, trace_id: int) -> None:
        self._trace_id = trace_id
        self._cpu_start_s = time.process_time()
        self.peak_mb = resident_mb()
        self.http_calls = 0
        self.model_calls = 0

    def stop(self) -> dict[str, Any]:
        """The attributes that tell what was counted; unknown memory is left out."""
        _meters.pop(self._trace_id, None)
        self.sample()
        told: dict[str, Any] = {
            CPU_MS: round((time.process_time() - self._cpu_start_s) * 1e3, 3),
            HTTP_CALLS: self.http_calls,
            MODEL_CALLS: self.model_calls,
        }
        if self.peak_mb is not None:
            told[MEMORY_MB] = round(self.peak_mb, 3)
        return told

    def sample(self) -> None:
        """Looks at the memory once more."""
        measured = resident_mb()
        if measured is not None:
            self.peak_mb = max(measured, self.peak_mb or 0.0)


def start(span: Span) -> Meter | None:
    """A meter for the trace of an agent's span; ``None`` where an agent above has one."""
    trace_id = span.get_span_context().trace_id
    if trace_id in _meters or len(_meters) >= MAX_METERS:
        return None
    meter = _meters[trace_id] = Meter(trace_id)
    return meter


def forget() -> None:
    """Drops all meters, as in the child of a fork, where their runs do not go on."""
    _meters.clear()


def sample() -> None:
    """Looks at the memory for all runs that go on; for a thread that wakes now and then."""
    for meter in list(_meters.values()):
        meter.sample()


def count_http(trace_id: int) -> None:
    """Counts an HTTP request for the run of this trace."""
    meter = _meters.get(trace_id)
    if meter is not None:
        meter.http_calls += 1


def count_span(span: ReadableSpan) -> None:
    """Counts a finished span as a model call where it is one, whoever reports it."""
    found = span.get_span_context()
    meter = _meters.get(found.trace_id) if found else None
    if meter is None:
        return
    attributes = span.attributes or {}
    if attributes.get(OPERATION) in MODEL_OPERATIONS or attributes.get("openinference.span.kind") == "LLM":
        meter.model_calls += 1


def resident_mb() -> float | None:
    """The process' resident memory in MB of 10⁶ bytes; where only its highest ever is known, that."""
    try:
        return int(os.pread(_statm(), 128, 0).split()[1]) * _PAGE_BYTES / _BYTES_PER_MB
    except (AttributeError, OSError, ValueError, IndexError):
        return _highest_mb()


def _statm() -> int:
    """The descriptor of the kernel's figures of this process; opened once, and anew in the child of a fork."""
    global _opened
    pid = os.getpid()
    if _opened is None or _opened[0] != pid:
        _opened = (pid, os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC))
    return _opened[1]


def _highest_mb() -> float | None:
    try:
        import resource
    except ImportError:
        return None
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest * (1 if sys.platform == "darwin" else 1024) / _BYTES_PER_MB


def _page_bytes() -> int:
    try:
        import resource
    except ImportError:
        return 4096
    return resource.getpagesize()


_PAGE_BYTES: Final = _page_bytes()
