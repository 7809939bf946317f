"""When senders shall come again while the database is away: later and later, as it stays away.

Exporters try a fixed number of times (OpenTelemetry's for Python six) and take a delay that they are told instead of
their own growing one. A constant delay would have them give up after seconds; twice the time that the outage has
lasted has them outlast a minute, and spreads what comes at once when the database is back.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

SHORTEST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0
FORGOTTEN_AFTER_S: Final = 120.0
"""A failure this long after the last one belongs to another outage, even if nobody came in between."""


@dataclass(slots=True)
class Outage:
    """Whether the database is away, as the requests of this process have found it."""

    clock_s: Callable[[], float] = time.monotonic
    _began_s: float | None = None
    _failed_s: float = 0.0

    def retry_after_s(self) -> float:
        """Notes that a request failed, and gives the delay after which its sender shall try again."""
        now_s = self.clock_s()
        if self._began_s is None or now_s - self._failed_s > FORGOTTEN_AFTER_S:
            self._began_s = now_s
        self._failed_s = now_s
        return min(max(2 * (now_s - self._began_s), SHORTEST_RETRY_S), LONGEST_RETRY_S)

    def end(self) -> None:
        """Notes that a request was stored."""
        self._began_s = None
