"""What the tables' declarations share."""

from typing import Any, Final

from sqlalchemy import Column, MetaData, func
from sqlalchemy.dialects.postgresql import TIMESTAMP

SCHEMA: Final = "analytics"

metadata: Final = MetaData(schema=SCHEMA)
"""The tables."""
views: Final = MetaData(schema=SCHEMA)
"""The views, apart because nobody creates or compares them like tables."""

TIME: Final = TIMESTAMP(timezone=True)
BY_START: Final = "RANGE (start_time)"


def key(name: str, kind: Any) -> "Column[Any]":
    """A column of the primary key."""
    return Column(name, kind, primary_key=True)


def required(name: str, kind: Any) -> "Column[Any]":
    """A column that is never null."""
    return Column(name, kind, nullable=False)


def optional(kind: Any, *names: str) -> "list[Column[Any]]":
    """Columns of one kind that may be null."""
    return [Column(name, kind) for name in names]


def now(name: str) -> "Column[Any]":
    """A time that is the moment of writing unless told."""
    return Column(name, TIME, nullable=False, server_default=func.now())
