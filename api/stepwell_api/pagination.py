"""Keyset pagination: a page goes on after the last row of the page before, whatever was written meanwhile.

A cursor holds where its page ended and the window it was about (the default window moves with the clock, a list must
not), together with a fingerprint of the question. It is opaque to clients and worth nothing to forge: it names values
to compare with, which are checked on the way in, and the workspace never comes from it.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import orjson
from sqlalchemy import ColumnElement, and_, or_

from stepwell_api.parameters import PageParameters
from stepwell_api.problems import ProblemError
from stepwell_api.times import Window, from_microseconds, to_microseconds

Kind = Literal["time", "number", "integer", "text"]
KeyValue = int | float | str | None

LARGEST_INTEGER = 2**63 - 1
FINGERPRINT_BYTES = 9


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the last row's sort value and its tiebreak, and the window of the list."""

    value: KeyValue
    """Times as microseconds since 1970; ``None`` where the row's value is unknown."""
    tiebreak: str
    window: Window | None
    """``None`` for a list that is about no window."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of an order in which all values are known, or none is."""

    conditions: Sequence[ColumnElement[bool]]
    is_descending: bool
    is_known: bool = True

    def clauses(self, value: ColumnElement[Any], tiebreak: ColumnElement[str]) -> Sequence[ColumnElement[Any]]:
        """ORDER BY."""
        ordered = (value.desc(), tiebreak.asc()) if self.is_descending else (value.asc(), tiebreak.desc())
        return ordered if self.is_known else ordered[1:]


@dataclass(frozen=True, slots=True)
class Order:
    """An order of rows: by a value, unknown ones last, then by a text unique among the rows, the other way round.

    The other way round because the index on start times is written so: newest first, then by id ascending.
    """

    value: ColumnElement[Any]
    kind: Kind
    is_nullable: bool
    is_descending: bool
    tiebreak: ColumnElement[str]

    def position(self, value: Any, tiebreak: str, window: Window) -> Position:
        """The position of a row with this value."""
        if self.kind == "time" and value is not None:
            value = to_microseconds(value)
        return Position(value, tiebreak, window)

    def stretches(self, after: Position | None) -> Iterator[Stretch]:
        """The parts of the order that follow the position, one after the other: known values, then unknown ones.

        They are apart because an index serves neither NULLS LAST on a descending column nor a condition with "or".
        """
        if after is None or after.value is not None:
            known = [self.value.is_not(None)] if self.is_nullable else []
            yield Stretch([*known, *self._further(after)], self.is_descending)
        if self.is_nullable:
            beyond = [] if after is None or after.value is not None else [self._next_of_tie(after)]
            yield Stretch([self.value.is_(None), *beyond], self.is_descending, is_known=False)

    def _further(self, after: Position | None) -> Iterator[ColumnElement[bool]]:
        """The conditions of known values after the position."""
        if after is None or after.value is None:
            return
        value = from_microseconds(int(after.value)) if self.kind == "time" else after.value
        # Implied, but a bound on the column alone is what the index can start from.
        yield self.value <= value if self.is_descending else self.value >= value
        further = self.value < value if self.is_descending else self.value > value
        yield or_(further, and_(self.value == value, self._next_of_tie(after)))

    def _next_of_tie(self, after: Position) -> ColumnElement[bool]:
        return self.tiebreak > after.tiebreak if self.is_descending else self.tiebreak < after.tiebreak


def write_cursor(question: str, position: Position | None) -> str | None:
    """The opaque text for the page after the position; ``None`` where there is none."""
    if position is None:
        return None
    window = position.window and [to_microseconds(position.window.start), to_microseconds(position.window.stop)]
    content = orjson.dumps([question, window, position.value, position.tiebreak])
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def read_cursor(cursor: str, question: str, kind: Kind) -> Position:
    """The position that a cursor of the same question names.

    Raises:
        ProblemError: 400 where it is none of ours, or belongs to another question.
    """
    try:
        asked, window, value, tiebreak = _decode(cursor)
        if asked == question and isinstance(tiebreak, str) and "\0" not in tiebreak and _fits(value, kind):
            return Position(value, tiebreak, window and Window(*map(from_microseconds, window)))
    except (TypeError, ValueError, OverflowError):
        raise _bad("The cursor is none that this API gave out; start from the first page.") from None
    raise _bad("The cursor belongs to a list with other filters or another order; start from its first page.")


def question_of(endpoint: str, parameters: PageParameters) -> str:
    """A fingerprint of all that must not change between two pages of a list."""
    asked = parameters.model_dump(mode="json", exclude={"limit", "cursor"})
    content = orjson.dumps([endpoint, asked], option=orjson.OPT_SORT_KEYS)
    digest = hashlib.blake2b(content, digest_size=FINGERPRINT_BYTES).digest()
    return base64.urlsafe_b64encode(digest).decode()


def _decode(cursor: str) -> Any:
    """Raises `ValueError` for anything but JSON in unpadded base64url."""
    padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
    return orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))


def _fits(value: Any, kind: Kind) -> bool:
    """Whether a sort value from outside is one that the column can be compared with."""
    if value is None:
        return True
    if isinstance(value, bool):
        return False
    if kind == "text":
        return isinstance(value, str) and "\0" not in value
    if kind == "number":
        return isinstance(value, int | float)
    if kind == "time":
        # Raises for what is no time.
        return isinstance(value, int) and from_microseconds(value) is not None
    return isinstance(value, int) and abs(value) <= LARGEST_INTEGER


def _bad(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.BAD_REQUEST, "bad_cursor", detail)
