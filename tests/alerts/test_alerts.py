"""Alerts from rule to webhook: fired once, told once, resolved, whoever checks and whatever comes late."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import psycopg
import pytest
from tests.api.client import client_of
from tests.api.rows import Row, make_run, store_runs
from tests.webhooks.receiver import receiving

from stepwell_api.alerts import running, store
from stepwell_api.models.alerts import AlertPage, AlertRule, AlertRuleList, AlertWithEvents, Preview
from stepwell_api.webhooks import outbox
from stepwell_api.webhooks.addresses import parse_networks
from stepwell_storage.database import connect
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.settings import Settings

RULES, ALERTS = "/api/v1/alert-rules", "/api/v1/alerts"
MINUTE = timedelta(minutes=1)
FAILING = {"figure": "failure_rate", "comparison": "above", "threshold": 0.5, "window_s": 900, "min_samples": 4}

Connection = psycopg.AsyncConnection[Any]


async def post(api: httpx.AsyncClient, **changes: Any) -> Any:
    answer = await api.post(RULES, json={"name": "failing", "figure": FAILING, "agent_id": "planner", **changes})
    assert answer.status_code == 201, answer.text
    AlertRule.model_validate_json(answer.content)
    return answer.json()


async def alerts(api: httpx.AsyncClient, **parameters: Any) -> list[Any]:
    answer = await api.get(ALERTS, params=parameters)
    AlertPage.model_validate_json(answer.content)
    items: list[Any] = answer.json()["items"]
    return items


async def check_all(connection: Connection, settings: Settings, now: datetime) -> int:
    """As a worker does at that time; how many rules were due."""
    count = 0
    while await running.check_next(connection, settings, now):
        count += 1
    return count


def runs_at(start: datetime, first: int, status: str, count: int = 6, **columns: Any) -> list[Row]:
    """Runs a second apart."""
    return [
        make_run(first + number, start_time=start + timedelta(seconds=number), status=status, **columns)
        for number in range(count)
    ]


def tick(minutes: float = 0.0) -> datetime:
    """Minutes after a moment at which rules of a short window look."""
    now = datetime.now(UTC)
    return now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0) + minutes * MINUTE


async def test_alert_fires_is_told_once_and_resolves(settings: Settings) -> None:
    allowing = replace(settings, webhook_allow="127.0.0.1", public_url="https://stepwell.example")
    async with receiving() as receiver, client_of(allowing) as api, await connect(settings.database_url) as connection:
        body = {"purpose": "alert", "url": receiver.url, "format": "slack"}
        webhook = (await api.post("/api/v1/webhooks", json=body)).json()
        rule = await post(api, webhook_ids=[webhook["webhook_id"]], cooldown_s=0)
        at = tick(30)
        await store_runs(settings.database_url, runs_at(at - 5 * MINUTE, 1, "failed"))
        for later in (0, 1, 2):
            assert await check_all(connection, allowing, at + later * MINUTE) == 1
        (alert,) = await alerts(api, state="firing", agent_id="planner", rule_id=rule["rule_id"])
        assert (alert["evidence"]["value"], alert["evidence"]["samples"]) == (1.0, 6)
        assert (await api.get(alert["evidence"]["href"])).json()["total_failures"] == 6
        await check_all(connection, allowing, at + 20 * MINUTE)
        (alert,) = await alerts(api)
        assert alert["state"] == "resolved"
        for _ in range(2):
            now = at + timedelta(hours=1)
            for claimed in await outbox.claim_due(connection, now, "w", limit=8):
                answer = await outbox.attempt(claimed, now, None, parse_networks("127.0.0.1"))
                await outbox.settle(connection, claimed, "w", answer, now)
        told = [orjson.loads(request.body) for request in receiver.received]
        assert [one["text"][:1] for one in told] == ["⚠", "✅"]
        assert "failure_rate of planner is 100 %, above 50 %" in told[0]["text"]
        assert "https://stepwell.example/agents/planner?from=" in told[0]["blocks"][1]["elements"][0]["text"]
        detail = await api.get(f"{ALERTS}/{alert['alert_id']}")
        AlertWithEvents.model_validate_json(detail.content)
        assert [event["event"] for event in detail.json()["events"]] == ["fired", "told", "resolved", "told"]


async def test_what_fires_again_within_the_cooldown_is_the_same_alert(settings: Settings) -> None:
    async with client_of(settings) as api, await connect(settings.database_url) as connection:
        await post(api, cooldown_s=7200)
        at = tick(30)
        rows = runs_at(at - 5 * MINUTE, 1, "failed") + runs_at(at + 25 * MINUTE, 50, "failed")
        await store_runs(settings.database_url, rows + runs_at(at + 195 * MINUTE, 90, "failed"))
        counts = []
        for minutes in (0, 20, 30, 50, 200):
            await check_all(connection, settings, at + minutes * MINUTE)
            counts.append([(one["state"], one["times_fired"]) for one in await alerts(api)])
    assert counts == [
        [("firing", 1)],
        [("resolved", 1)],
        [("firing", 2)],
        [("resolved", 2)],
        [("firing", 1), ("resolved", 2)],
    ]


async def test_two_workers_and_a_restart_make_one_alert(settings: Settings) -> None:
    async with client_of(settings) as api, await connect(settings.database_url) as one:
        for _ in range(4):
            await post(api)
        at = tick(30)
        await store_runs(settings.database_url, runs_at(at - 5 * MINUTE, 1, "failed"))
        async with await connect(settings.database_url) as other:
            await asyncio.gather(*(check_all(own, settings, at) for own in (one, other)))
            # A worker that took a rule and ended: the next one checks it once the rule is free again.
            for _ in range(4):
                assert await store.claim_rule(other, at + 2 * MINUTE, "dead") is not None
        assert await check_all(one, settings, at + 3 * MINUTE) == 0
        assert await check_all(one, settings, at + 4 * MINUTE) == 4
        found = await alerts(api)
        assert len({alert["rule_id"] for alert in found}) == len(found) == 4


async def test_late_runs_are_told_even_when_it_is_over(settings: Settings) -> None:
    async with client_of(settings) as api, await connect(settings.database_url) as connection:
        await post(api, figure={**FAILING, "window_s": 300})
        at = tick(60)
        await store_runs(settings.database_url, runs_at(at, 1, "success"))
        await check_all(connection, settings, at)
        await check_all(connection, settings, at + 40 * MINUTE)
        assert await alerts(api) == []
        await store_runs(settings.database_url, runs_at(at + 12 * MINUTE, 20, "failed"))
        for minutes in (41, 42):
            await check_all(connection, settings, at + minutes * MINUTE)
        (alert,) = await alerts(api)
        assert (alert["state"], alert["evidence"]["value"]) == ("resolved", 1.0)
        assert alert["held_until"] == (at + 20 * MINUTE).isoformat().replace("+00:00", "Z")


async def test_new_kind_of_failure_is_told_by_agent(settings: Settings) -> None:
    async with client_of(settings) as api, await connect(settings.database_url) as connection:
        await post(api, agent_id=None, kind="new_failure", figure=None, new_failure={"min_count": 3})
        now = datetime.now(UTC)
        known: dict[str, Any] = {"error_type": "KeyError", "error_fingerprint": "k", "error_step_name": "look"}
        rows = [make_run(number, start_time=now - timedelta(days=number)) for number in range(1, 9)]
        rows += runs_at(now - timedelta(days=3), 20, "failed", **known) + runs_at(
            now - 9 * MINUTE, 40, "failed", **known
        )
        rows += runs_at(now - 8 * MINUTE, 60, "failed", 2, error_type="OSError", error_fingerprint="o")
        await store_runs(settings.database_url, rows)
        await check_all(connection, settings, now + MINUTE)
        assert await alerts(api) == []
        await store_runs(
            settings.database_url, runs_at(now - MINUTE, 80, "failed", 1, error_type="OSError", error_fingerprint="o")
        )
        await check_all(connection, settings, now + 4 * MINUTE)
        (alert,) = await alerts(api)
        assert (alert["agent_id"], alert["title"]) == ("planner", "New failure of planner: OSError")
        assert (alert["evidence"]["count"], alert["evidence"]["cluster_id"]) == (3, "o")
        await check_all(connection, settings, now + timedelta(days=2))
        assert [one["state"] for one in await alerts(api)] == ["resolved"]


async def test_regression_is_told_and_previewed(settings: Settings) -> None:
    async with client_of(settings) as api, await connect(settings.database_url) as connection:
        rule = await post(api, kind="regression", figure=None, regression={"of": ["duration"]})
        now = datetime.now(UTC)
        durations_ms = [(3000.0 if number < 240 else 1000.0) + number % 50 for number in range(660)]
        rows = [
            make_run(number, start_time=now - number * 15 * MINUTE, duration_ms=duration_ms, version="1")
            for number, duration_ms in enumerate(durations_ms, 1)
        ]
        await store_runs(settings.database_url, rows)
        await check_all(connection, settings, now + MINUTE)
        (alert,) = await alerts(api)
        assert alert["evidence"]["kind"] == "latency_regression"
        assert (await api.get(alert["evidence"]["href"])).status_code == 200
        preview = await api.get(f"{RULES}/{rule['rule_id']}/preview", params={"days": 3})
        Preview.model_validate_json(preview.content)
        assert [moment["agent_id"] for moment in preview.json()["items"]] == ["planner"]


async def test_rule_is_changed_previewed_and_deleted(settings: Settings) -> None:
    async with client_of(settings) as api, await connect(settings.database_url) as connection:
        rule = await post(api)
        own = f"{RULES}/{rule['rule_id']}"
        now = datetime.now(UTC)
        await store_runs(settings.database_url, runs_at(tick(-65), 1, "failed"))
        for answer in (
            await api.get(f"{own}/preview", params={"days": 1}),
            await api.post(f"{RULES}/preview", json={"name": "n", "agent_id": "planner", "figure": FAILING}),
        ):
            assert answer.status_code == 200, answer.text
            Preview.model_validate_json(answer.content)
            (moment,) = answer.json()["items"]
            assert (moment["evidence"]["value"], moment["ended_at"] is None) == (1.0, False)
        assert await alerts(api) == []
        await store_runs(settings.database_url, runs_at(tick(25), 50, "failed"))
        await check_all(connection, settings, tick(30))
        (alert,) = await alerts(api, state="firing")
        patch = {"is_acknowledged": True, "note": "on it", "muted_until": (now + timedelta(days=1)).isoformat()}
        changed = (await api.patch(f"{ALERTS}/{alert['alert_id']}", json=patch)).json()
        assert (changed["acknowledged_at"] is not None, changed["note"]) == (True, "on it")
        assert (await api.patch(own, json={"name": "again", "severity": "info"})).json()["name"] == "again"
        assert len(await alerts(api, state="firing")) == 1
        figure = {**FAILING, "threshold": 0.9}
        assert (await api.patch(own, json={"figure": figure})).json()["figure"]["threshold"] == 0.9
        assert await alerts(api, state="firing") == []
        listed = await api.get(RULES)
        AlertRuleList.model_validate_json(listed.content)
        assert [one["rule_id"] for one in listed.json()["items"]] == [rule["rule_id"]]
        assert [(await api.delete(own)).status_code for _ in range(2)] == [204, 404]
        assert [one["rule_name"] for one in await alerts(api)] == [None]


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"figure": {**FAILING, "window_s": 1000}}, "window_s"),
        ({"figure": {**FAILING, "window_s": 9000}}, "window_s"),
        ({"figure": {**FAILING, "for_s": 7}}, "for_s"),
        ({"figure": {**FAILING, "figure": "step_calls", "window_s": 3600}}, "step_name"),
        ({"figure": {**FAILING, "comparison": "rises_by", "threshold": 0}}, "threshold"),
        ({"kind": "new_failure"}, "figure"),
        ({"kind": "new_failure", "figure": None}, "new_failure"),
        ({"webhook_ids": ["wh_none"]}, "webhook_ids"),
    ],
)
async def test_rules_that_cannot_be_watched(settings: Settings, body: dict[str, Any], parameter: str) -> None:
    async with client_of(settings) as api:
        answer = await api.post(RULES, json={"name": "n", "agent_id": "planner", "figure": FAILING, **body})
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, parameter)


async def test_rule_that_cannot_be_checked_says_so(settings: Settings) -> None:
    async with client_of(settings) as api, await connect(settings.database_url) as connection:
        await post(api)
        await connection.execute("UPDATE analytics.alert_rules SET condition = '{}'")
        await check_all(connection, settings, tick(30))
        (rule,) = await store.read_rules(connection, LOCAL_WORKSPACE_ID)
        assert "KeyError" in str(rule.failure)
