"""Brings a rule's alerts up to what it sees: begins them, lets them go on, resolves them, and has webhooks told.

One alert for each subject fires at a time. What fires again within the rule's cool-down is the same alert, and nobody
is told again. Everything is in one transaction, the calls of webhooks too, which wait in their outbox.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import psycopg
from psycopg.types.json import Jsonb

from stepwell_api.alerts import messages, store
from stepwell_api.alerts.messages import Sighting
from stepwell_api.alerts.rules import FINE_STEP, HOUR, Condition, Rule, RuleKind
from stepwell_api.webhooks import outbox, registry
from stepwell_api.webhooks.registry import Purpose
from stepwell_storage import metrics, queries

SQL = queries.load("alerts")

EVERY: Final = {
    FINE_STEP: timedelta(seconds=30),
    HOUR: timedelta(minutes=2),
}
EVERY_OF_KIND: Final = {RuleKind.REGRESSION: timedelta(minutes=15), RuleKind.NEW_FAILURE: timedelta(minutes=2)}
REMEMBERED: Final = timedelta(days=3)
"""An alert that was resolved within this time keeps late data from telling the same again."""

Connection = psycopg.AsyncConnection[Any]


def period_of(rule: Rule) -> timedelta:
    """How often a rule is checked: more often than its moments follow each other, since late runs change them."""
    kind = RuleKind(rule.kind)
    if kind is RuleKind.FIGURE:
        return EVERY[Condition.of(rule.condition).step]
    return EVERY_OF_KIND[kind]


async def update(
    connection: Connection, rule: Rule, claim: str, seen: Sequence[Sighting], now: datetime, public_url: str = ""
) -> None:
    """Writes what a check has seen, unless somebody else has taken the rule meanwhile."""
    async with connection.transaction():
        if not await store.finish_check(connection, rule, claim, now, next_check_at=now + period_of(rule)):
            return
        cooldown = timedelta(seconds=rule.cooldown_s)
        standing = await store.read_standing(connection, rule, now - max(cooldown, REMEMBERED))
        update_ = _Update(connection, rule, now, public_url, standing, cooldown)
        for sighting in sorted(seen, key=lambda one: one.fired_at):
            await update_.take(sighting)
        firing = {one.subject for one in seen if one.ended_at is None}
        for subject, alert in standing.items():
            if alert["state"] == "firing" and subject not in firing:
                await update_.resolve(alert)


@dataclass(frozen=True, slots=True)
class _Update:
    """One check's changes."""

    connection: Connection
    rule: Rule
    now: datetime
    public_url: str
    standing: dict[str, dict[str, Any]]
    cooldown: timedelta

    async def take(self, sighting: Sighting) -> None:
        known = self.standing.get(sighting.subject)
        if sighting.ended_at is not None:
            # Late data, or a time without workers: told once, unless it is of an alert that is known.
            if known is None or (known["state"] == "resolved" and sighting.fired_at > known["held_until"]):
                await self._begin(sighting)
            return
        if known is None or (known["state"] == "resolved" and self.now - known["resolved_at"] >= self.cooldown):
            await self._begin(sighting)
            return
        is_again = known["state"] == "resolved"
        await self._go_on(known, sighting, is_again=is_again)
        if is_again:
            await self._note(known["alert_id"], "fired_again", "Within the cool-down: nobody is told again")

    async def resolve(self, alert: dict[str, Any]) -> None:
        await self.connection.execute(SQL.resolve, {**self._key(alert["alert_id"]), "now": self.now})
        await self._note(alert["alert_id"], "resolved")
        metrics.ALERTS.labels("resolved").inc()
        (stored,) = await store.read_alerts(
            self.connection, self.rule.workspace_id, limit=1, alert_id=alert["alert_id"]
        )
        alert["state"] = "resolved"
        await self._tell("resolved", stored, muted_until=alert["muted_until"])

    async def _begin(self, sighting: Sighting) -> None:
        is_over = sighting.ended_at is not None
        alert = {
            "alert_id": store.new_id("alert"),
            "rule_id": self.rule.rule_id,
            "subject": sighting.subject,
            "agent_id": sighting.agent_id,
            "state": "resolved" if is_over else "firing",
            "severity": self.rule.severity,
            "title": sighting.title,
            "detail": sighting.detail + (" It was over when it was seen." if is_over else ""),
            "evidence": sighting.evidence,
            "holds_since": sighting.holds_since,
            "held_until": self._held_until(sighting),
            "fired_at": self.now,
            "resolved_at": self.now if is_over else None,
        }
        columns = {**alert, "evidence": Jsonb(sighting.evidence, _dumps), "notified_at": None, "now": self.now}
        await self.connection.execute(SQL.insert_alert, {**columns, "workspace_id": self.rule.workspace_id})
        await self._note(str(alert["alert_id"]), "fired", sighting.title)
        metrics.ALERTS.labels("fired").inc()
        self.standing[sighting.subject] = {**alert, "muted_until": None, "times_fired": 1}
        await self._tell("resolved" if is_over else "fired", alert, muted_until=None)

    async def _go_on(self, known: dict[str, Any], sighting: Sighting, *, is_again: bool) -> None:
        parameters = {
            **self._key(known["alert_id"]),
            "held_until": self._held_until(sighting),
            "detail": sighting.detail,
            "evidence": Jsonb(sighting.evidence, _dumps),
            "again": int(is_again),
        }
        await self.connection.execute(SQL.go_on, parameters)
        known.update(state="firing", held_until=parameters["held_until"])

    def _held_until(self, sighting: Sighting) -> datetime:
        return max(sighting.ended_at or self.now, sighting.holds_since)

    async def _tell(self, event: str, alert: Mapping[str, Any], *, muted_until: datetime | None) -> None:
        """Puts the calls of the rule's webhooks in the outbox."""
        muted = [until for until in (self.rule.muted_until, muted_until) if until is not None and until > self.now]
        if muted or not self.rule.webhook_ids:
            if muted:
                await self._note(alert["alert_id"], "muted")
            return
        for webhook_id in self.rule.webhook_ids:
            await self._call(webhook_id, event, alert)
        await self.connection.execute(SQL.note_told, {**self._key(alert["alert_id"]), "now": self.now})

    async def _call(self, webhook_id: str, event: str, alert: Mapping[str, Any]) -> None:
        webhook = await registry.lock(self.connection, self.rule.workspace_id, webhook_id)
        if webhook is None or webhook.purpose != Purpose.ALERT:
            await self._note(alert["alert_id"], "not_told", f"There is no webhook {webhook_id} for alerts")
            return
        budget = await outbox.budget_of(self.connection, webhook, "", self.now)
        refusal = None if budget.left > 0 else "The webhook's budget was spent"
        content = messages.webhook_content(webhook.format, event, alert, self.rule.name, self.public_url, self.now)
        await outbox.enqueue(
            self.connection,
            webhook,
            outbox.new_id("alertmsg"),
            content,
            agent_id="",
            subject=alert["alert_id"],
            now=self.now,
            refusal=refusal,
        )
        await self._note(alert["alert_id"], "not_told" if refusal else "told", refusal or webhook.name or webhook_id)

    def _key(self, alert_id: str) -> dict[str, Any]:
        return {"workspace_id": self.rule.workspace_id, "alert_id": alert_id}

    async def _note(self, alert_id: str, event: str, detail: str | None = None) -> None:
        await store.note_event(self.connection, self.rule.workspace_id, alert_id, event, self.now, detail)


def _dumps(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY)
