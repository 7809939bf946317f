"""What is asked of the rollups: whose figures, over which time, and how that time falls into hours and days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from stepwell_api.times import Window
from stepwell_storage.rollups.figures import Kind

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Question:
    """Whose figures, of which time, from where."""

    workspace_id: UUID
    agent_id: str
    """`ALL_AGENTS` for the whole workspace."""
    window: Window
    environments: Sequence[str]
    versions: Sequence[str]
    now: datetime
    """A window up to now is read up to the end of the hour that goes on: no run starts later."""

    @property
    def kind(self) -> Kind:
        """Which rows tell of runs as a whole: the totals, or those apart by environment and version."""
        return Kind.EXECUTION if self.environments or self.versions else Kind.TOTAL

    def hours(self) -> Window | None:
        """The whole hours of the window; ``None`` where it has none."""
        start = up_to(self.window.start, HOUR)
        stop = up_to(self.window.stop, HOUR) if self.window.stop >= self.now else down_to(self.window.stop, HOUR)
        return Window(start, stop) if start < stop else None

    def edges(self) -> list[Window]:
        """What is left of the window beside its whole hours, each part within one hour."""
        hours = self.hours()
        if hours is None:
            border = min(up_to(self.window.start, HOUR), self.window.stop)
            hours = Window(border, border)
        edges = Window(self.window.start, hours.start), Window(hours.stop, self.window.stop)
        return [edge for edge in edges if edge.start < edge.stop]

    def parameters(self) -> dict[str, Any]:
        """As the queries take it."""
        return {
            "workspace_id": self.workspace_id,
            "agent_id": self.agent_id,
            # The rollups keep the empty text for runs that do not tell.
            "environments": [name for name in self.environments if name] if self.environments else None,
            "versions": [name for name in self.versions if name] if self.versions else None,
        }

    def spans(self) -> dict[str, Any] | None:
        """The whole hours, as days and what is left beside these, as the queries take it; ``None`` without any."""
        hours = self.hours()
        if hours is None:
            return None
        first_day, last_day = up_to(hours.start, DAY), down_to(hours.stop, DAY)
        if first_day >= last_day:
            first_day = last_day = hours.stop
        edges = [edge for edge in ((hours.start, first_day), (last_day, hours.stop)) if edge[0] < edge[1]]
        return {
            "start": hours.start,
            "stop": hours.stop,
            "first_day": first_day,
            "last_day": last_day,
            "edge_starts": [start for start, _ in edges],
            "edge_stops": [stop for _, stop in edges],
        }


def down_to(time: datetime, step: timedelta) -> datetime:
    """The last whole hour or day before the time, or the time itself."""
    day = time.replace(hour=0, minute=0, second=0, microsecond=0)
    return day if step == DAY else time.replace(minute=0, second=0, microsecond=0)


def up_to(time: datetime, step: timedelta) -> datetime:
    """The first whole hour or day after the time, or the time itself."""
    below = down_to(time, step)
    if below == time:
        return time
    try:
        return below + step
    except OverflowError:
        return time
