"""Between integer nanoseconds and PostgreSQL's timestamps (microseconds, UTC)."""

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_datetime(time_ns: int) -> datetime:
    """Aware UTC time, cut to the microsecond."""
    return EPOCH + timedelta(microseconds=time_ns // 1000)


def to_ns(time: datetime) -> int:
    """Nanoseconds since 1970 UTC."""
    return (time - EPOCH) // _MICROSECOND * 1000
