"""What an alert says: in words, with the figures behind it and the calls that show them, and as webhooks take it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

from stepwell_api.alerts.conditions import Points
from stepwell_api.alerts.rules import Comparator, Condition, Figure, Rule

MARKS: Final = {"info": "ℹ️", "warning": "⚠️", "critical": "🔥"}
RESOLVED_MARK: Final = "✅"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A stretch of time in which a rule fires, about one subject."""

    subject: str
    """Tells the alerts of one rule apart; empty for a figure."""
    agent_id: str
    holds_since: datetime
    fired_at: datetime
    ended_at: datetime | None
    """``None`` where it still fires."""
    title: str
    detail: str
    evidence: Mapping[str, Any]


def figure_words(rule: Rule, condition: Condition, points: Points, place: int) -> tuple[str, str, dict[str, Any]]:
    """(title, detail, evidence) of what a figure was at a moment."""
    value, before = float(points.values[place]), float(points.before[place])
    known_before = None if before != before else round(before, 6)
    stop = points.times[place]
    start = stop - condition.window
    subject = f"step {condition.step_name} of {rule.agent_id}" if condition.step_name else rule.agent_id or "all agents"
    title = f"{condition.figure.value} of {subject} {_compared(condition, value, before)}"
    was = "was unknown" if known_before is None else f"was {_told(condition.figure, before)}"
    what = "calls" if condition.figure.is_of_step else "runs"
    detail = (
        f"{_told(condition.figure, value)} over {_length(condition.window)} up to {_time(stop)}, of "
        f"{points.samples[place]:,.0f} {what}; in the {_length(condition.window)} before it {was}."
    )
    evidence = {
        "figure": condition.figure.value,
        "value": round(value, 6),
        "before": known_before,
        "comparison": condition.comparison.value,
        "threshold": condition.threshold,
        "samples": int(points.samples[place]),
        "from": start,
        "to": stop,
        **links(rule.agent_id, rule.environment, start, stop, _endpoint(condition.figure)),
    }
    return title, detail, evidence


def links(agent_id: str, environment: str, start: datetime, stop: datetime, endpoint: str) -> dict[str, str]:
    """`href`, the call of the API that shows the figures, and `dashboard`, the page that does."""
    asked = {"from": _time(start), "to": _time(stop), **({"environment": environment} if environment else {})}
    agent = quote(agent_id, safe="")
    href = f"/api/v1/agents/{agent}/{endpoint}" if agent_id else "/api/v1/analytics"
    page = f"/agents/{agent}" if agent_id else "/"
    return {"href": f"{href}?{urlencode(asked)}", "dashboard": f"{page}?{urlencode(asked)}"}


def webhook_content(
    format_: str, event: str, alert: Mapping[str, Any], rule_name: str, public_url: str, now: datetime
) -> dict[str, Any]:
    """What a webhook is sent about an alert: everything, or what Slack shows."""
    if format_ != "slack":
        return {"type": f"alert.{event}", "timestamp": now, "data": {**alert, "rule_name": rule_name}}
    mark = RESOLVED_MARK if event == "resolved" else MARKS[alert["severity"]]
    head = f"{mark} *{_escaped(alert['title'])}*" + (" (over)" if event == "resolved" else "")
    evidence = alert["evidence"]
    shown = [f"<{public_url}{evidence['dashboard']}|Dashboard>"] if public_url and "dashboard" in evidence else []
    shown += [f"`GET {_escaped(evidence['href'])}`"] if "href" in evidence else []
    context = " · ".join([f"Rule: {_escaped(rule_name)}", *shown])
    return {
        "text": f"{mark} {_escaped(alert['title'])}",
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": f"{head}\n{_escaped(alert['detail'])}"[:2900]}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": context[:2900]}]},
        ],
    }


def _compared(condition: Condition, value: float, before: float) -> str:
    told = _told(condition.figure, value)
    if not condition.is_relative:
        return f"is {told}, {condition.comparison.value} {_told(condition.figure, condition.threshold)}"
    verb = "rose" if condition.comparison is Comparator.RISES_BY else "fell"
    return f"{verb} from {_told(condition.figure, before)} to {told}"


def _told(figure: Figure, value: float) -> str:
    """A value with its unit."""
    if figure.value.endswith("_rate"):
        return f"{value * 100:.4g} %"
    if figure.value.endswith("_ms"):
        return f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"
    if "cost_usd" in figure.value:
        return f"${value:,.4g}" if value < 1000 else f"${value:,.0f}"
    return f"{value:,.6g}" if value < 1e6 else f"{value:,.0f}"


def _endpoint(figure: Figure) -> str:
    if figure.is_of_step:
        return "patterns"
    return "failures" if figure in (Figure.FAILURES, Figure.FAILURE_RATE, Figure.SUCCESS_RATE) else "analytics"


def _length(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    if minutes % 1440 == 0:
        return f"{minutes // 1440} d"
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def _time(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _escaped(text: str) -> str:
    """As Slack wants it; nothing in it is a mention or a link of its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
