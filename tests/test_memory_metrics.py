"""Which metrics tell the memory of a process, whose process that is, and how much it is."""

from collections import Counter
from typing import Any

import pytest

from stepwell_receiver import memory, processes
from stepwell_receiver.wire import Attributes, Metric, MetricGroup, MetricRequest, Point
from stepwell_storage.model import MemorySample

AT_NS = 1_790_000_000_000_000_000
PROCESS = {"service.name": "agents", "service.instance.id": "i-1"}
Told = tuple[float, bool]
"""Megabytes, and whether that is resident memory."""


def metric(name: str, *points: Point, unit: str = "By", is_level: bool = True) -> Metric:
    return Metric(name, unit, is_level, list(points))


def point(value: float | None, at_ns: int = AT_NS, **attributes: str) -> Point:
    return Point(at_ns, value, {key.replace("__", "."): text for key, text in attributes.items()})


def samples(sent: Metric, resource: Attributes | None = None) -> list[MemorySample]:
    group = MetricGroup(dict(PROCESS) if resource is None else resource, [sent])
    return memory.map_metrics(MetricRequest([group])).samples


CPYTHON = "process.runtime.cpython.memory"
JVM = (
    point(10e6, jvm__memory__type="heap", jvm__memory__pool__name="G1 Eden"),
    point(30e6, jvm__memory__type="non_heap"),
)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        pytest.param(metric("process.memory.usage", point(123e6)), (123.0, True), id="semantic conventions"),
        pytest.param(metric("process_memory_usage_bytes", point(123e6)), (123.0, True), id="by way of Prometheus"),
        pytest.param(metric("process_resident_memory_bytes", point(5e6), unit=""), (5.0, True), id="Prometheus client"),
        pytest.param(metric("process.memory.physical_usage", point(7e6)), (7.0, True), id="host metrics, old"),
        pytest.param(metric(CPYTHON, point(9e6, type="rss"), point(90e6, type="vms")), (9.0, True), id="CPython"),
        pytest.param(metric("process.runtime.memory", point(9e6, type="rss")), (9.0, True), id="runtime"),
        pytest.param(metric("process.runtime.pypy3.memory", point(8e6, type="rss")), (8.0, True), id="PyPy"),
        pytest.param(metric("dotnet.process.memory.working_set", point(6e6)), (6.0, True), id=".NET"),
        pytest.param(metric("jvm.memory.used", *JVM), (40.0, False), id="JVM, pools together"),
        pytest.param(metric("process.runtime.jvm.memory.usage", *JVM), (40.0, False), id="JVM, old name"),
        pytest.param(
            metric("v8js.memory.heap.used", point(1e6, s="new_space"), point(2e6, s="old_space")), (3.0, False), id="V8"
        ),
        pytest.param(metric("nodejs.memory.heap.used", point(2e6)), (2.0, False), id="Node.js"),
        pytest.param(metric("go.memory.used", point(1e6, t="stack"), point(4e6, t="other")), (5.0, False), id="Go"),
        pytest.param(metric("process.runtime.go.mem.heap_alloc", point(4e6)), (4.0, False), id="Go, old name"),
        pytest.param(metric("process.memory.usage", point(2), unit="MiBy"), (2.097152, True), id="mebibytes"),
        pytest.param(metric("process.memory.usage", point(2), unit="MBy"), (2.0, True), id="megabytes"),
        pytest.param(metric("process.memory.usage", point(0.5), unit="1"), None, id="a share"),
        pytest.param(metric("process.memory.virtual", point(2e6)), None, id="virtual"),
        pytest.param(metric(CPYTHON, point(90e6, type="vms")), None, id="virtual memory alone"),
        pytest.param(metric("process.memory.utilization", point(2e6)), None, id="utilization"),
        pytest.param(metric("jvm.memory.limit", point(2e6)), None, id="a limit"),
        pytest.param(metric("system.memory.usage", point(2e6)), None, id="the whole machine"),
        pytest.param(metric("process.memory.usage", point(2e6), is_level=False), None, id="changes only"),
        pytest.param(metric("process.memory.usage", point(None)), None, id="nothing recorded"),
        pytest.param(metric("process.memory.usage", point(float("nan"))), None, id="no number"),
        pytest.param(metric("process.memory.usage", point(-1.0)), None, id="negative"),
        pytest.param(metric("process.memory.usage", point(1e6, 0)), None, id="no time"),
        pytest.param(metric("process.memory.usage", point(1e6, 1 << 64)), None, id="no time of ours"),
        pytest.param(metric("process.memory.usage"), None, id="no points"),
    ],
)
def test_a_metric_tells_the_memory_of_its_process(sent: Metric, told: Told | None) -> None:
    assert [(s.memory_mb, s.is_resident) for s in samples(sent)] == ([told] if told else [])


def test_what_is_not_stored_is_named() -> None:
    group = MetricGroup(dict(PROCESS), [metric("process.memory.usage", point(1e6)), metric("process.memory.usage")])
    mapped = memory.map_metrics(MetricRequest([group], unread=Counter({"queue.size": 2})))
    assert (len(mapped.samples), mapped.unstored) == (1, {"process.memory.usage": 1, "queue.size": 2})


SAME: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("instance", PROCESS | {"host.name": "a"}, PROCESS | {"process.pid": 7, "telemetry.sdk.language": "python"}),
    ("process on its host", {"host.name": "a", "process.pid": 7}, {"host.name": "a", "process.pid": "7", "x": 1}),
    (
        "process on a host by its id",
        {"host.id": "h", "process.pid": 7},
        {"host.id": "h", "host.name": "a", "process.pid": 7},
    ),
    ("process of a service", {"service.name": "s", "process.pid": 7}, {"service.name": "s", "process.pid": 7}),
    ("pod", {"service.name": "s", "k8s.pod.name": "p"}, {"service.name": "s", "k8s.pod.name": "p", "a": "b"}),
    ("service", {"service.name": "s"}, {"service.name": "s", "telemetry.sdk.version": "1"}),
]
DIFFERENT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("instances", PROCESS, PROCESS | {"service.instance.id": "i-2"}),
    ("instances of services", PROCESS, PROCESS | {"service.name": "other"}),
    ("processes", {"host.name": "a", "process.pid": 7}, {"host.name": "a", "process.pid": 8}),
    ("hosts", {"host.name": "a", "process.pid": 1}, {"host.name": "b", "process.pid": 1}),
    ("containers", {"container.id": "a", "process.pid": 1}, {"container.id": "b", "process.pid": 1}),
    ("services on one host", {"service.name": "s", "host.name": "a"}, {"service.name": "t", "host.name": "a"}),
]


@pytest.mark.parametrize(("one", "other"), [pytest.param(a, b, id=name) for name, a, b in SAME])
def test_resources_of_one_process_have_one_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert processes.key_of(one) == processes.key_of(other) is not None


@pytest.mark.parametrize(("one", "other"), [pytest.param(a, b, id=name) for name, a, b in DIFFERENT])
def test_different_processes_have_different_keys(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert None is not processes.key_of(one) != processes.key_of(other) is not None


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"service.name": "unknown_service:python"},
        {"host.name": "a"},
        {"service.name": ["", 1]},
        {"cloud.region": "eu"},
    ],
)
def test_resource_that_tells_no_process_has_no_key(resource: dict[str, Any]) -> None:
    assert processes.key_of(resource) is None
