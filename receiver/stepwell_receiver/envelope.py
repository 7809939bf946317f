"""The outer shape that all OTLP requests share, read from the wire without a schema.

``Export{Trace,Logs,Metrics}ServiceRequest`` nest alike: repeated resource groups (field 1), in them the resource (1)
and repeated scope groups (2), in them the scope (1) and the repeated items (2). Reading that apart from the items
keeps a damaged span from costing its neighbours, tells signals apart although their field numbers are the same, and
bounds how many objects a small body can make of itself. (Protocol Buffers documentation, "Encoding".)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from stepwell_receiver import schema
from stepwell_receiver.errors import BodyTooLargeError, MalformedBodyError

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
MAX_ITEMS: Final = 200_000
"""Groups and items of one request: some hundred bytes of memory each, while the smallest takes two on the wire."""

_MAX_PARSED_BYTES: Final = 8 * 1024 * 1024
"""protobuf takes 16 bytes for an item, of which the smallest is two bytes on the wire."""
_RESOURCE_GROUPS = 1
_OWNER = 1  # the resource of a resource group, the scope of a scope group
_MEMBERS = 2  # the scope groups of a resource group, the items of a scope group


@dataclass(frozen=True, slots=True)
class Group:
    """The items of one resource and scope, all still encoded."""

    resource: bytes
    scope: bytes
    items: list[bytes]


def read_groups(body: bytes) -> list[Group]:
    """Splits a request into its groups, in order; an empty body is an empty request.

    Raises:
        MalformedBodyError: the body is no such request.
        BodyTooLargeError: more than `MAX_ITEMS` groups and items.
    """
    resource_groups = [part for number, part in _parts(memoryview(body)) if number == _RESOURCE_GROUPS]
    if body and not resource_groups:
        raise MalformedBodyError("The body holds no resource groups (field 1), so it is no OTLP export request")
    groups: list[Group] = []
    left = MAX_ITEMS - len(resource_groups)
    for resource_group in resource_groups:
        resource, scope_groups = _split(resource_group)
        left -= len(scope_groups)
        for scope_group in scope_groups:
            group = _group(resource, scope_group, left)
            left -= len(group.items)
            groups.append(group)
        check_left(left)
    return groups


def integer_at(message: bytes | memoryview, position: int) -> int:
    """The value of a variable-length integer field that starts at `position`."""
    return _varint(message, position, len(message))[0]


def check_left(left: int) -> None:
    """Refuses a request that holds more than it may.

    Raises:
        BodyTooLargeError: `left` of the allowed number is negative.
    """
    if left < 0:
        raise BodyTooLargeError(f"More than {MAX_ITEMS:,} items or groups in one request; send smaller batches")


def _group(resource: bytes, scope_group: memoryview, left: int) -> Group:
    """The items of a scope group; read by protobuf itself where it can be read and is of a bounded size.

    Raises:
        BodyTooLargeError: more than `left` items, before there is an object for each.
    """
    if len(scope_group) <= _MAX_PARSED_BYTES:
        try:
            parsed = schema.ItemGroup.FromString(scope_group)
        except DecodeError:
            pass  # what is wrong is told by the walk
        else:
            check_left(left - len(parsed.items))
            return Group(resource, b"".join(parsed.scope), list(parsed.items))
    scope, items = _split(scope_group)
    check_left(left - len(items))
    return Group(resource, scope, [bytes(item) for item in items])


def _split(group: memoryview) -> tuple[bytes, list[memoryview]]:
    """A group's owner and its members."""
    owner = b""
    members = []
    for number, part in _parts(group):
        if number == _MEMBERS:
            members.append(part)
        elif number == _OWNER:
            # A message field that comes twice is merged, and to merge messages is to join their bytes.
            owner += part
    return owner, members


def _parts(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The length-delimited fields of a message; others are read over.

    Raises:
        MalformedBodyError: the bytes are no message, or hold more than `MAX_ITEMS` such fields.
    """
    for count, (number, wire_type, start, end) in enumerate(fields(message)):
        if count > MAX_ITEMS:
            check_left(-1)
        if wire_type == LENGTH_DELIMITED:
            yield number, message[start:end]


def fields(message: bytes | memoryview) -> Iterator[tuple[int, int, int, int]]:
    """Each field of an encoded message as number, wire type, start and end of its value's bytes.

    Raises:
        MalformedBodyError: the bytes are no message.
    """
    position, size = 0, len(message)
    while position < size:
        tag, start = _varint(message, position, size)
        wire_type = tag & 7
        if wire_type == LENGTH_DELIMITED:
            length, start = _varint(message, start, size)
            position = start + length
        elif wire_type == VARINT:
            _, position = _varint(message, start, size)
        elif wire_type == FIXED64:
            position = start + 8
        elif wire_type == FIXED32:
            position = start + 4
        else:
            raise MalformedBodyError(f"The body is not protobuf: wire type {wire_type} in a field's tag")
        if tag < 8 or position > size:
            raise MalformedBodyError(
                "The body is not protobuf, or cut off: a field reaches over the end of its message"
            )
        yield tag >> 3, wire_type, start, position


def _varint(message: bytes | memoryview, position: int, size: int) -> tuple[int, int]:
    """The variable-length integer at `position`, and where it ends; ten bytes at most."""
    if position < size and message[position] < 0x80:
        return message[position], position + 1
    value = shift = 0
    for index in range(position, min(position + 10, size)):
        byte = message[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, index + 1
        shift += 7
    raise MalformedBodyError("The body is not protobuf, or cut off: an integer does not end")
