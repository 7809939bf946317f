"""Alerts, webhooks and the links between a run and its recovery, on both engines."""

from datetime import UTC, datetime, timedelta

from tests.api.rows import make_run, store_runs
from tests.storing import Connection

from stepwell_api.alerts import running, store
from stepwell_api.execution_rows import Located
from stepwell_api.recovering import read_origin, read_runs
from stepwell_api.webhooks import outbox, registry
from stepwell_api.webhooks.registry import NewWebhook, Purpose
from stepwell_storage.database import make_engine
from stepwell_storage.deletion.runs import delete_agent
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.rollups import compaction
from stepwell_storage.settings import Settings


async def test_rules_fire_and_runs_lead_to_their_recovery_on_either_engine(either: Connection, either_url: str) -> None:
    now = datetime.now(UTC).replace(minute=2, second=0, microsecond=0)
    webhook = await registry.create(
        either, LOCAL_WORKSPACE_ID, NewWebhook(purpose=Purpose.ALERT, url="https://x/"), None
    )
    for rule_id, figure, window_s in (("fine", "failures", 900), ("hourly", "executions", 4 * 3600)):
        condition = {"figure": figure, "comparison": "above", "threshold": 3.0, "window_s": window_s, "for_s": 0,
                     "min_samples": 0, "step_name": None}  # fmt: skip
        columns = {
            "workspace_id": LOCAL_WORKSPACE_ID, "rule_id": rule_id, "name": rule_id, "kind": "figure",
            "agent_id": "planner", "environment": "", "condition": condition, "severity": "info", "cooldown_s": 0,
            "webhook_ids": [webhook.webhook_id], "is_enabled": True, "muted_until": None,
        }  # fmt: skip
        await store.insert_rule(either, columns, now)
    await store_runs(
        either_url,
        [make_run(n, start_time=now - timedelta(minutes=4, seconds=n), status="failed") for n in range(1, 9)],
    )
    await compaction.compact(either)
    while await running.check_next(either, Settings(database_url=either_url), now):
        pass
    found = await store.read_alerts(either, LOCAL_WORKSPACE_ID, limit=9)
    assert {alert["rule_id"]: alert["evidence"]["value"] for alert in found} == {"fine": 8.0, "hourly": 8.0}
    assert len(await outbox.claim_due(either, now, "w", limit=8)) == 1
    await delete_agent(either, LOCAL_WORKSPACE_ID, "planner")
    assert await store.read_alerts(either, LOCAL_WORKSPACE_ID, limit=9) == []
    assert await store.read_rules(either, LOCAL_WORKSPACE_ID) == []

    await _check_links(either_url)


async def _check_links(either_url: str) -> None:
    """A run and its recovery lead to each other."""
    failed = make_run(1, status="failed")
    again = make_run(2, trigger_source={"recovery_of": failed["execution_id"], "recovery_id": "rec_1"})
    await store_runs(either_url, [failed])
    await store_runs(either_url, [again])
    old, new = (
        Located(row["execution_id"], bytes.fromhex(row["trace_id"]), row["start_time"]) for row in (failed, again)
    )
    engine = make_engine(either_url)
    async with engine.connect() as connection:
        runs = await read_runs(connection, LOCAL_WORKSPACE_ID, old)
        origin = await read_origin(connection, LOCAL_WORKSPACE_ID, new)
    await engine.dispose()
    assert [(run["execution_id"], run["recovery_id"]) for run in runs] == [(again["execution_id"], "rec_1")]
    assert origin == old
