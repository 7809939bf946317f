"""Times at the API's border: RFC 3339 in and out, and the window that most questions are about."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?P<fraction>\.\d+)?(?P<offset>[Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime.min.replace(tzinfo=UTC)
DEFAULT_WINDOW = timedelta(days=7)
MICROSECOND = timedelta(microseconds=1)


def parse_time(value: Any) -> datetime:
    """The time that an RFC 3339 text tells, in UTC, cut to microseconds.

    Raises:
        PydanticCustomError: it is none (``time_format``), or lacks the offset without which it tells no instant
            (``naive_time``).
    """
    if isinstance(value, datetime):
        return value
    found = RFC_3339.fullmatch(str(value))
    if found is None:
        raise PydanticCustomError(
            "time_format", "Should be an RFC 3339 time such as 2026-01-31T12:00:00Z (a + in a URL is written %2B)"
        )
    if found["offset"] is None:
        raise PydanticCustomError("naive_time", "Should end in its offset from UTC, such as Z or %2B02:00")
    try:
        return datetime.fromisoformat(str(value).upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("time_format", "Should be a time that exists, from the years 1 to 9999") from None


Time = Annotated[datetime, BeforeValidator(parse_time)]


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time: `start` belongs to it, `stop` does not."""

    start: datetime
    stop: datetime

    def previous(self) -> "Window":
        """The window of the same length that ends where this one starts."""
        try:
            return Window(self.start - (self.stop - self.start), self.start)
        except OverflowError:
            return Window(EARLIEST, self.start)


def make_window(start: datetime | None, stop: datetime | None, *, now: datetime) -> Window:
    """The window asked for: 7 days unless `start` says otherwise, up to now unless `stop` does."""
    stop = stop or now
    if start is None:
        start = stop - min(DEFAULT_WINDOW, stop - EARLIEST)
    return Window(start, stop)


def to_microseconds(time: datetime) -> int:
    """Microseconds since 1970 UTC: exact, unlike a float timestamp."""
    return (time - EPOCH) // MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The reverse of `to_microseconds`.

    Raises:
        OverflowError: no time of the years 1 to 9999.
    """
    return EPOCH + timedelta(microseconds=microseconds)
