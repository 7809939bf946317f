"""A run's steps by columns: a tenth of what the graph's nodes come to, so that a browser takes 50,000 steps at once.

Texts are told once and named by their place in `texts`: a run has few names however many steps it has. Pure.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from stepwell_api.run_steps import RunStep, operation_of, status_of

_MILLISECOND: Final = timedelta(milliseconds=1)


class Texts:
    """Gives each distinct text a number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def numbers(self, texts: Iterable[str | None]) -> list[int | None]:
        """The number of each text; ``None`` for none."""
        known = self._numbers
        return [None if text is None else known.setdefault(text, len(known)) for text in texts]

    def all(self) -> list[str]:
        """The texts, each at its number."""
        return list(self._numbers)


def timeline_of(steps: Sequence[RunStep], start_time: datetime) -> dict[str, Any]:
    """The columns of the steps in their order; starts are milliseconds after `start_time`."""
    texts = Texts()
    places, outlines = [step.place for step in steps], [step.outline for step in steps]
    columns = {
        "step_index": [place.index for place in places],
        "step_name": texts.numbers(outline.step_name for outline in outlines),
        "step_type": texts.numbers(outline.step_type for outline in outlines),
        "operation": texts.numbers(map(operation_of, places, outlines)),
        "status": texts.numbers(map(status_of, places, outlines)),
        "agent_name": texts.numbers(outline.agent_name for outline in outlines),
        "model": texts.numbers(outline.model for outline in outlines),
        "error_type": texts.numbers(outline.error_type for outline in outlines),
        "depth": [place.depth for place in places],
        "attempt": [place.attempt for place in places],
        "critical_path": [int(place.on_critical_path) for place in places],
        "start_ms": [(outline.start_time - start_time) / _MILLISECOND for outline in outlines],
        "duration_ms": [_rounded(outline.duration_ms) for outline in outlines],
        "self_duration_ms": [_rounded(place.self_duration_ms) for place in places],
        "tokens": [outline.tokens if place.counts_tokens else None for place, outline in steps],
        "cost_usd": [outline.cost_usd if place.counts_tokens else None for place, outline in steps],
    }
    return {"start_time": start_time, "total": len(steps), "texts": texts.all(), "columns": columns}


def _rounded(ms: float | None) -> float | None:
    """To the microsecond, which is what times have."""
    return None if ms is None else round(ms, 3)
