"""Cuts a large request into small ones, so that what it unfolds to never stands in memory as a whole.

A span of fifty bytes becomes a thousand and more once it is decoded. The parts are requests of the same kind with the
same items in the same order; each item keeps its resource and scope. (`envelope` says what the requests share.)
"""

from collections.abc import Iterator
from typing import Final

from stepwell_receiver.envelope import LENGTH_DELIMITED, MAX_ITEMS, check_left, fields

UNDIVIDED_BYTES: Final = 1024 * 1024
"""Smaller requests are decoded as they are."""
PART_BYTES: Final = 4 * 1024 * 1024
PART_ITEMS: Final = 4_000

_MEMBERS: Final = 2
_GROUPS: Final = 1


def is_one_part(body: bytes) -> bool:
    """Whether a request need not be split, for its size or for the number of its items.

    Raises:
        MalformedBodyError: the body is no request.
    """
    if len(body) <= UNDIVIDED_BYTES:
        return True
    return len(body) <= PART_BYTES and all(
        number < PART_ITEMS for number, _ in enumerate(_counted(memoryview(body), 2))
    )


def split(body: bytes, *, part_bytes: int = PART_BYTES, part_items: int = PART_ITEMS) -> Iterator[bytes]:
    """The request's parts; one that is small enough is its only part. A single item may be larger than a part.

    Raises:
        MalformedBodyError: the body is no request.
        BodyTooLargeError: it holds more than `envelope.MAX_ITEMS` groups and items.
    """
    if len(body) <= UNDIVIDED_BYTES:
        yield body
        return
    view = memoryview(body)
    _check_count(view)
    part = _Part(part_bytes, part_items)
    for number, resource_group in _parts(view):
        if number == _GROUPS:
            owner, members = _owner(resource_group)
            for scope_group in members:
                scope, items = _owner(scope_group)
                for item in items:
                    if part.is_full(len(item)):
                        yield part.taken()
                    part.add(owner, scope, item)
    yield part.taken()


def _check_count(body: memoryview) -> None:
    left = MAX_ITEMS
    for _ in _counted(body, depth=2):
        left -= 1
        check_left(left)


def _counted(message: memoryview, depth: int) -> Iterator[None]:
    """Once for each group and each item below it."""
    for number, part in _parts(message):
        yield
        if depth and number == (_GROUPS if depth == 2 else _MEMBERS):
            yield from _counted(part, depth - 1)


class _Part:
    """A request that grows: groups with their owners' bytes, and the items of the last scope."""

    def __init__(self, part_bytes: int, part_items: int) -> None:
        self._part_bytes, self._part_items = part_bytes, part_items
        self._groups: list[bytes] = []
        self._owner: tuple[bytes, bytes] | None = None
        self._items: list[bytes] = []
        self._size_bytes = self._count = 0

    def is_full(self, more_bytes: int) -> bool:
        """Whether so much more is to go into the next part."""
        return bool(self._count) and (
            self._count >= self._part_items or self._size_bytes + more_bytes > self._part_bytes
        )

    def add(self, resource: bytes, scope: bytes, item: memoryview) -> None:
        """Adds an item."""
        if self._owner != (resource, scope):
            self._close()
            self._owner = resource, scope
            self._size_bytes += len(resource) + len(scope)
        self._items.append(_field(_MEMBERS, item))
        self._size_bytes += len(item)
        self._count += 1

    def taken(self) -> bytes:
        """The request so far; the next item begins another."""
        self._close()
        request = b"".join(self._groups)
        self._groups, self._owner = [], None
        self._size_bytes = self._count = 0
        return request

    def _close(self) -> None:
        if self._owner is not None:
            resource, scope = self._owner
            self._groups.append(_field(_GROUPS, resource + _field(_MEMBERS, scope + b"".join(self._items))))
        self._items = []


def _owner(group: memoryview) -> tuple[bytes, Iterator[memoryview]]:
    """All of a group but its members, encoded as it was, and the members."""
    owner = b"".join(_field(number, part) for number, part in _parts(group) if number != _MEMBERS)
    return owner, (part for number, part in _parts(group) if number == _MEMBERS)


def _parts(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    for number, wire_type, start, end in fields(message):
        if wire_type == LENGTH_DELIMITED:
            yield number, message[start:end]


def _field(number: int, content: bytes | memoryview) -> bytes:
    """A length-delimited field (Protocol Buffers documentation, "Encoding")."""
    head = bytearray((number << 3 | LENGTH_DELIMITED,))
    length = len(content)
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + content
