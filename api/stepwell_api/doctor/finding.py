"""What the doctor says of one thing it looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    """Stepwell works, but not as well as it could, or not for long."""
    ERROR = "error"
    """Stepwell does not work like that."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    """What was looked at; one word, the same in every version."""
    state: State
    detail: str
    mend: str | None = None
    """What to do about it; also a hint where nothing is wrong."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs. Sizes are bytes, times seconds."""
