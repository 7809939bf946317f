"""From OTLP metrics to samples of a process' memory: one pure function over a decoded request.

Metrics that tell how much memory a process takes are known by their names, as OpenTelemetry's conventions of all
versions, its instrumentations and Prometheus' client libraries publish them. All others are not kept.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from stepwell_receiver import processes, values
from stepwell_receiver.wire import Metric, MetricRequest, Point
from stepwell_storage.model import MemorySample

_RESIDENT: Final = frozenset(
    (
        *("process.memory.usage", "process.memory.rss", "process.memory.resident", "process.resident.memory"),
        *("process.memory.physical.usage", "process.physical.memory.usage", "process.memory.working.set"),
        *("process.working.set", "dotnet.process.memory.working.set", "nodejs.memory.rss", "process.runtime.memory"),
    )
)
_HEAP: Final = frozenset(
    (
        *("jvm.memory.used", "process.runtime.jvm.memory.usage"),
        *("v8js.memory.heap.used", "v8js.memory.heap.space.used", "nodejs.memory.heap.used", "nodejs.heap.size.used"),
        *("nodejs.memory.heap.total", "process.runtime.nodejs.memory.heap.used"),
        *("go.memory.used", "process.runtime.go.mem.heap.inuse", "process.runtime.go.mem.heap.alloc"),
        *("runtime.go.mem.heap.inuse", "runtime.go.mem.heap.alloc", "go.memstats.heap.inuse"),
        *("dotnet.gc.last.collection.heap.size", "process.runtime.dotnet.gc.heap.size"),
    )
)
_RUNTIME: Final = re.compile(r"process\.runtime\.[a-z0-9]+\.memory(?:\.(?:rss|working\.set))?$")
"""A runtime's own gauge of its process, such as CPython's, with kinds of memory as attributes."""
_BYTES: Final = {
    **dict.fromkeys(("", "By", "B", "byte", "bytes"), 1.0),
    **{"kBy": 1e3, "MBy": 1e6, "GBy": 1e9, "KiBy": 1024.0, "MiBy": 1024.0**2, "GiBy": 1024.0**3},
}
"""Units of UCUM, and the usual words."""
_BYTES_PER_MB: Final = 1e6
_NOT_RESIDENT: Final = frozenset(("vms", "virtual", "swap", "shared", "uss", "pss", "data", "text", "lib", "dirty"))
_END_OF_TIME_NS: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class MappedMetrics:
    """The samples of a request, and how many metrics gave none, by name."""

    samples: list[MemorySample]
    unstored: Counter[str]


def tells_memory(name: str) -> bool:
    """Whether a metric of this name may hold the memory of a process."""
    return _is_resident(name) is not None


def map_metrics(request: MetricRequest) -> MappedMetrics:
    """Samples from the metrics of a request that tell the memory of a known process, in the request's order."""
    mapped = MappedMetrics([], Counter(request.unread))
    for group in request.groups:
        process_key = processes.key_of(group.resource)
        for metric in group.metrics:
            samples = [] if process_key is None else _samples(metric, process_key)
            mapped.samples.extend(samples)
            if not samples:
                mapped.unstored[metric.name] += 1
    return mapped


def _samples(metric: Metric, process_key: bytes) -> list[MemorySample]:
    bytes_per_unit = _BYTES.get(metric.unit)
    is_resident = _is_resident(metric.name)
    if bytes_per_unit is None or is_resident is None or not metric.is_level:
        return []
    measured = _largest(metric.points) if is_resident else _sums(metric.points)
    return [
        MemorySample(
            process_key=process_key,
            time_ns=time_ns - time_ns % 1000,
            memory_mb=value * bytes_per_unit / _BYTES_PER_MB,
            is_resident=is_resident,
        )
        for time_ns, value in measured.items()
    ]


@lru_cache(maxsize=1024)
def _is_resident(name: str) -> bool | None:
    """Whether a metric tells resident memory; ``False`` for a runtime's heap, ``None`` for anything else.

    Names come with dots or underscores, and from Prometheus with their unit at the end.
    """
    plain = name.lower().replace("_", ".").removesuffix(".bytes")
    if plain in _RESIDENT or _RUNTIME.match(plain):
        return True
    return False if plain in _HEAP else None


def _largest(points: Sequence[Point]) -> dict[int, float]:
    """Time → the largest value, without kinds of memory that are not resident."""
    found: dict[int, float] = {}
    for point, value in _measured(points):
        kinds = (values.as_text(told) for key, told in point.attributes.items() if key.rpartition(".")[2] == "type")
        if not any((kind or "").lower() in _NOT_RESIDENT for kind in kinds):
            found[point.time_ns] = max(found.get(point.time_ns, 0.0), value)
    return found


def _sums(points: Sequence[Point]) -> dict[int, float]:
    """Time → the sum over the pools or spaces of a heap."""
    found: dict[int, float] = {}
    for point, value in _measured(points):
        found[point.time_ns] = found.get(point.time_ns, 0.0) + value
    return found


def _measured(points: Sequence[Point]) -> Iterable[tuple[Point, float]]:
    """The points that hold a measurement: a time, and an amount that can be one."""
    for point in points:
        value = values.as_number(point.value)
        if value is not None and value > 0 and 0 < point.time_ns < _END_OF_TIME_NS:
            yield point, value


_NAMED: Final = 5
_NAME_CHARACTERS: Final = 80


def warning(unstored: Counter[str]) -> str:
    """Names the metrics that were not stored, with their number; its length is bounded."""
    if not unstored:
        return ""
    names = [name[:_NAME_CHARACTERS] or "without a name" for name, _ in sorted(unstored.items())[:_NAMED]]
    more = f" and {len(unstored) - _NAMED} more names" if len(unstored) > _NAMED else ""
    count = unstored.total()
    return (
        f"{count} metric{' was' if count == 1 else 's were'} not stored: {', '.join(names)}{more}. "
        "Of metrics Stepwell stores the memory of processes that their resource tells, as gauges or levels in bytes"
    )
