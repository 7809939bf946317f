"""What a rule sees: now, and in the past for its preview. The two are worked out alike."""

from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from stepwell_api.alerts import clusters, conditions, regressions
from stepwell_api.alerts.conditions import Points, floor
from stepwell_api.alerts.messages import Sighting, figure_words
from stepwell_api.alerts.rules import FINE_STEP, HOUR, Condition, Rule, RuleKind
from stepwell_api.alerts.series import read_series

LOOKBACK: Final = {FINE_STEP: timedelta(hours=2), HOUR: timedelta(days=1)}
"""So long late data may make a moment fire that did not when it was passed."""
LONGEST_LOOKBACK: Final = timedelta(days=2)
"""After a time without any worker."""
LONGEST_PREVIEW: Final = {FINE_STEP: timedelta(days=3), HOUR: timedelta(days=30)}
LONGEST_REGRESSION_PREVIEW: Final = timedelta(days=14)

Connection = psycopg.AsyncConnection[Any]


async def see(connection: Connection, database_url: str, rule: Rule, now: datetime) -> list[Sighting]:
    """What a rule sees now, and what it saw since its last check or would have seen, in order."""
    if rule.kind == RuleKind.REGRESSION:
        return await regressions.see(connection, database_url, rule, now)
    if rule.kind == RuleKind.NEW_FAILURE:
        since = max(rule.changed_at - HOUR, now - clusters.SHOWN_FOR - HOUR)
        return await clusters.see(connection, rule, floor(since, HOUR), now)
    condition = Condition.of(rule.condition)
    last = floor(now, condition.step)
    lookback = LOOKBACK[condition.step]
    if rule.checked_until is not None:
        lookback = min(max(lookback, last - rule.checked_until), LONGEST_LOOKBACK)
    # A new rule looks at now alone: nobody wants to be told what was before they asked.
    first = min(max(last - lookback, floor(rule.changed_at, condition.step)), last)
    _, found = await _of_figure(connection, rule, condition, first, last)
    return found


async def preview(
    connection: Connection, database_url: str, rule: Rule, length: timedelta, now: datetime
) -> tuple[datetime, datetime, list[Sighting], Points | None]:
    """(from, to, sightings, and of a figure its values): when the rule would have fired within that time."""
    if rule.kind == RuleKind.REGRESSION:
        stop = floor(now, HOUR)
        count = max(int(min(length, LONGEST_REGRESSION_PREVIEW).days), 1)
        days = [stop - timedelta(days=back) for back in reversed(range(count))]
        agents = [rule.agent_id] if rule.agent_id else []
        return days[0], stop, await regressions.see_days(database_url, rule, days, agents), None
    if rule.kind == RuleKind.NEW_FAILURE:
        first = floor(now - length, HOUR)
        return first, now, await clusters.see(connection, rule, first, now), None
    condition = Condition.of(rule.condition)
    last = floor(now, condition.step)
    first = last - min(length, LONGEST_PREVIEW[condition.step])
    points, found = await _of_figure(connection, rule, condition, first, last)
    return first, last, found, points


async def _of_figure(
    connection: Connection, rule: Rule, condition: Condition, first: datetime, last: datetime
) -> tuple[Points, list[Sighting]]:
    series = await read_series(connection, rule, condition, first, last)
    points = conditions.points_of(condition, series, first, last)
    found = []
    for episode in conditions.episodes(condition, points):
        # What holds now is told as it is now, what is over as it was at its worst.
        place = len(points.times) - 1 if episode.ended_at is None else episode.worst
        title, detail, evidence = figure_words(rule, condition, points, place)
        found.append(
            Sighting(
                subject="",
                agent_id=rule.agent_id,
                holds_since=episode.holds_since,
                fired_at=episode.fired_at,
                ended_at=episode.ended_at,
                title=title,
                detail=detail,
                evidence=evidence,
            )
        )
    return points, found
