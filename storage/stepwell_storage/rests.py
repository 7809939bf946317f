"""When a trace may be folded again: a fold reads all of it, so one that keeps growing would cost its square.

A trace rests many times as long as its last fold took, so that it takes a bounded share of the worker however it
comes. One that has stopped growing is folded sooner: that is probably its end. With a span by which a run may be
over, it rests only briefly. The first fold waits for nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from stepwell_storage.folding import DirtyTrace, Folded, Key

FACTOR: Final = 20.0
RANGE_S: Final = (0.2, 60.0)
QUIET_FACTOR: Final = 2.0
"""A trace without anything new for this many times as long as its last fold took has stopped growing."""
END_FACTOR: Final = 2.0
"""With a span that may end a run, a trace rests this many times as long as its last fold took."""


@dataclass(slots=True)
class _Rest:
    until_s: float
    until_end_s: float
    quiet_s: float
    steps: int = 0
    """How many its last fold read."""
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
        until_s = min(rest.until_s, rest.changed_s + rest.quiet_s)
        if trace.may_end_run:
            until_s = min(until_s, rest.until_end_s)
        return max(until_s - now_s, 0.0)

    def is_resting(self, key: Key) -> bool:
        """Whether the trace was folded lately."""
        return key in self._rests

    def steps(self, key: Key) -> int:
        """How many steps the trace's last fold read, as far as is known."""
        rest = self._rests.get(key)
        return rest.steps if rest else 0

    def folded(self, folds: Mapping[Key, Folded], now_s: float) -> None:
        """Notes what the fold of each trace took."""
        for key, fold in folds.items():
            rest_s = min(max(FACTOR * fold.took_s, RANGE_S[0]), RANGE_S[1])
            end_s = min(END_FACTOR * fold.took_s, RANGE_S[1])
            self._rests[key] = _Rest(
                now_s + rest_s, now_s + end_s, max(QUIET_FACTOR * fold.took_s, RANGE_S[0]), fold.steps
            )

    def failed(self, key: Key, rest_s: float, now_s: float) -> None:
        """Notes that a trace could not be folded, and for how long it is left alone."""
        self._rests[key] = _Rest(now_s + rest_s, now_s + rest_s, rest_s, changed_s=now_s)

    def forget(self, now_s: float) -> None:
        """Forgets the rests that are over."""
        self._rests = {key: rest for key, rest in self._rests.items() if rest.until_s > now_s}
