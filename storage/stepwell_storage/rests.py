"""When a trace may be folded again: a fold reads all of it, so one that keeps growing would cost its square.

A trace rests several times as long as its last fold took, so that it takes a bounded share of the worker however it
comes. One that has stopped growing is folded sooner: that is probably its end. The first fold waits for nothing.
"""

from dataclasses import dataclass
from typing import Final

from stepwell_storage.folding import DirtyTrace, Key

FACTOR: Final = 10.0
RANGE_S: Final = (0.05, 60.0)
QUIET_FACTOR: Final = 2.0
"""A trace without anything new for this many times as long as its last fold took has stopped growing."""


@dataclass(slots=True)
class _Rest:
    until_s: float
    quiet_s: float
    spans: int = -1
    """How many wait, as far as is known."""
    changed_s: float = 0.0
    """When there were fewer."""


class Rests:
    """The traces that rest; all times are those of one monotonic clock."""

    def __init__(self) -> None:
        self._rests: dict[Key, _Rest] = {}

    def wait_s(self, trace: DirtyTrace, now_s: float) -> float:
        """How long the trace has to wait yet; 0 where it is due."""
        rest = self._rests.get(trace.key)
        if rest is None:
            return 0.0
        if rest.spans != trace.span_count:
            rest.spans, rest.changed_s = trace.span_count, now_s
        return max(min(rest.until_s, rest.changed_s + rest.quiet_s) - now_s, 0.0)

    def folded(self, seconds: dict[Key, float], now_s: float) -> None:
        """Notes what the fold of each trace took."""
        for key, took_s in seconds.items():
            rest_s = min(max(FACTOR * took_s, RANGE_S[0]), RANGE_S[1])
            self._rests[key] = _Rest(now_s + rest_s, max(QUIET_FACTOR * took_s, RANGE_S[0]))

    def failed(self, key: Key, rest_s: float, now_s: float) -> None:
        """Notes that a trace could not be folded, and for how long it is left alone."""
        self._rests[key] = _Rest(now_s + rest_s, rest_s, changed_s=now_s)

    def forget(self, now_s: float) -> None:
        """Forgets the rests that are over."""
        self._rests = {key: rest for key, rest in self._rests.items() if rest.until_s > now_s}
