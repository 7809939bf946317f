"""Mends what a span tells before it is mapped: cuts what is too long, and times that cannot be; a flag says so."""

from typing import Final, TypeAlias

from stepwell_receiver import values
from stepwell_receiver.validation import END_OF_TIME_NS
from stepwell_receiver.wire import Attributes, Span

_JSON_BYTES_PER_WIRE_BYTE: Final = 8
"""A bound: JSON writes a control character, one byte in protobuf, as ``\\u0001``. Protobuf's times need no mending."""

Times: TypeAlias = tuple[int, int | None, float | None]
"""Start, end and duration of a step: nanoseconds, cut to whole microseconds, and milliseconds."""


def bound(span: Span, max_bytes: int, flags: list[str]) -> None:
    """Cuts what is too long in a span and mends events whose time no clock shows; sets a flag for each."""
    if len(span.name) > values.MAX_NAME_CHARACTERS:
        span.name = span.name[: values.MAX_NAME_CHARACTERS]
        flags.append("name_cut")
    if 0 < span.wire_bytes * _JSON_BYTES_PER_WIRE_BYTE <= max_bytes:
        return
    span.attributes = bounded(span.attributes, max_bytes, flags)
    for link in span.links:
        link.attributes = bounded(link.attributes, max_bytes, flags)
    for event in span.events:
        event.attributes = bounded(event.attributes, max_bytes, flags)
        if not 0 <= event.time_ns < END_OF_TIME_NS:
            event.time_ns = 0
            flags.append("event_time_out_of_range")


def bounded(attributes: Attributes, max_bytes: int, flags: list[str]) -> Attributes:
    """The attributes with over-long values cut; sets the flag ``attribute_cut``."""
    for value in attributes.values():
        if len(value) * 4 > max_bytes if type(value) is str else isinstance(value, list | dict | bytes):
            break
    else:
        return attributes
    cut = {key: values.cut(value, max_bytes) for key, value in attributes.items()}
    if all(cut[key] is value for key, value in attributes.items()):
        return attributes
    flags.append("attribute_cut")
    return cut


def times(span: Span, flags: list[str], *, is_live: bool) -> Times:
    """Start, end and duration, mended where they cannot be: missing times, an end before the start."""
    start_ns, end_ns = span.start_ns, span.end_ns
    if start_ns == 0 and end_ns:
        flags.append("start_time_missing")
        return _micro(end_ns), _micro(end_ns), None
    if is_live:
        return _micro(start_ns), None, None
    if end_ns == 0:
        flags.append("end_time_missing")
        return _micro(start_ns), None, None
    if end_ns < start_ns:
        flags.append("end_before_start")
        end_ns = start_ns
    return start_ns - start_ns % 1000, end_ns - end_ns % 1000, (end_ns - start_ns) / 1e6


def _micro(time_ns: int) -> int:
    return time_ns - time_ns % 1000
