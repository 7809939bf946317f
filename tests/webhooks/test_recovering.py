"""``POST /executions/{id}/recovery``: the agent's webhook is called, within bounds; both runs lead to each other."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from tests.api.rows import NOON, fold_waiting, make_agent_step, make_run, store_runs, store_steps
from tests.webhooks.receiver import Receiver

from stepwell_api.models.executions import Execution
from stepwell_api.models.recovery import Recovery, RequestedRecovery
from stepwell_api.models.webhooks import DeliveryPage, IssuedWebhook, WebhookList
from stepwell_api.webhooks import outbox
from stepwell_api.webhooks.addresses import parse_networks
from stepwell_storage.database import connect
from stepwell_storage.deletion.runs import delete_agent
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.model import Checkpoint, Status
from stepwell_storage.settings import Settings

HOOKS = "/api/v1/webhooks"
FAILED: dict[str, Any] = {
    "status": "failed",
    "error_type": "ConnectionError",
    "error_message": "refused",
    "error_fingerprint": "f",
    "input_data": {"order": 7},
}


def path_of(number: int) -> str:
    return f"/api/v1/executions/{number:032x}-{number:016x}"


async def set_up(api: httpx.AsyncClient, receiver: Receiver, **changes: Any) -> Any:
    answer = await api.post(HOOKS, json={"purpose": "recovery", "url": receiver.url, **changes})
    assert answer.status_code == 201, answer.text
    IssuedWebhook.model_validate_json(answer.content)
    return answer.json()


async def recover(api: httpx.AsyncClient, number: int, status: int = 202, **body: Any) -> Any:
    answer = await api.post(f"{path_of(number)}/recovery", json=body)
    assert answer.status_code == status, answer.text
    if status == 202:
        RequestedRecovery.model_validate_json(answer.content)
    return answer.json()


async def send_all(settings: Settings) -> None:
    """As a worker does, with no regard to when it is due."""
    async with await connect(settings.database_url) as connection:
        later = datetime.now(UTC) + timedelta(hours=1)
        for claimed in await outbox.claim_due(connection, later, "w", limit=8):
            answer = await outbox.attempt(claimed, later, settings.secret_key, parse_networks("127.0.0.1"))
            await outbox.settle(connection, claimed, "w", answer, later)


async def test_failed_run_is_recovered_and_both_lead_to_each_other(
    api: httpx.AsyncClient, allowing: Settings, receiver: Receiver
) -> None:
    await store_runs(allowing.database_url, [make_run(1, **FAILED)])
    webhook = await set_up(api, receiver)
    asked = await recover(api, 1, action="retry", note="please")
    assert (asked["state"], asked["attempts"]) == ("waiting", [])
    assert (await recover(api, 1, 409))["code"] == "already_recovering"
    await send_all(allowing)
    (request,) = receiver.received
    assert request.is_signed_by(webhook["secret"])
    assert request.headers["webhook-id"] == asked["recovery_id"]
    told = orjson.loads(request.body)["data"]
    assert (told["action"], told["input"], told["note"]) == ("retry", {"order": 7}, "please")
    assert told["execution"]["execution_id"] == path_of(1).split("/")[-1]

    source = told["report"]["trigger"]["source"]
    again = make_run(2, start_time=NOON + timedelta(minutes=9), trigger_type="webhook", trigger_source=source)
    await store_runs(allowing.database_url, [again])
    new, old = [(await api.get(path_of(number))).json() for number in (2, 1)]
    Execution.model_validate(new)
    assert (new["recovers"], new["recovery_runs"]) == (old["execution_id"], [])
    assert [run["execution_id"] for run in old["recovery_runs"]] == [new["execution_id"]]
    answer = (await api.get(f"{path_of(1)}/recovery")).json()
    Recovery.model_validate(answer)
    (log,) = answer["recoveries"]
    assert (log["state"], log["execution_ids"]) == ("recovered", [new["execution_id"]])
    assert [(a["outcome"], a["http_status"]) for a in log["attempts"]] == [("delivered", 200)]
    assert answer["recovered_by"] == new["execution_id"]
    assert (await recover(api, 1, 409))["code"] == "already_recovered"


async def test_run_that_the_answer_names_is_found(
    api: httpx.AsyncClient, allowing: Settings, receiver: Receiver
) -> None:
    await store_runs(allowing.database_url, [make_run(1, **FAILED)])
    await set_up(api, receiver)
    receiver.answers(200, body=orjson.dumps({"trace_id": f"{2:032x}"}))
    await recover(api, 1)
    await send_all(allowing)
    assert (await api.get(f"{path_of(1)}/recovery")).json()["recoveries"][0]["state"] == "sent"
    await store_runs(allowing.database_url, [make_run(2, status="running")])
    assert (await api.get(f"{path_of(1)}/recovery")).json()["recoveries"][0]["state"] == "running"
    assert (await api.get(path_of(2))).json()["recovers"] == path_of(1).split("/")[-1]


async def test_run_resumes_from_its_last_checkpoint(
    api: httpx.AsyncClient, allowing: Settings, receiver: Receiver
) -> None:
    checkpoint = Checkpoint("c-1", int(NOON.timestamp()) * 10**9 + 5 * 10**9, '{"at": 3}')
    failed = {"status": Status.FAILED, "error_type": "ConnectionError", "error_message": "connection refused"}
    step = make_agent_step(1, 0, 10, trace_id=(1).to_bytes(16), checkpoints=(checkpoint,), **failed)
    await store_steps(allowing.database_url, [step])
    await fold_waiting(allowing.database_url)
    await set_up(api, receiver, agent_id="planner")
    assert (await recover(api, 1))["action"] == "resume_from_checkpoint"
    await send_all(allowing)
    told = orjson.loads(receiver.received[0].body)["data"]
    assert (told["checkpoint"]["id"], told["checkpoint"]["state"]) == ("c-1", {"at": 3})


@pytest.mark.parametrize(
    ("columns", "body", "code"),
    [
        ({"status": "success"}, {}, "not_failed"),
        ({"status": "running"}, {}, "not_failed"),
        ({"error_type": "TypeError"}, {}, "needs_a_fix"),
        ({}, {"action": "resume_from_checkpoint"}, "no_checkpoint"),
        ({"agent_id": "another"}, {}, "no_webhook"),
    ],
)
async def test_what_cannot_be_recovered(
    api: httpx.AsyncClient,
    allowing: Settings,
    receiver: Receiver,
    columns: dict[str, Any],
    body: dict[str, Any],
    code: str,
) -> None:
    await store_runs(allowing.database_url, [make_run(1, **{**FAILED, **columns})])
    await set_up(api, receiver, agent_id="planner")
    assert (await recover(api, 1, 409, **body))["code"] == code
    assert receiver.received == []


async def test_chain_of_recoveries_ends(api: httpx.AsyncClient, allowing: Settings, receiver: Receiver) -> None:
    rows = [make_run(1, **FAILED)]
    for number in (2, 3, 4):
        source = {"recovery_of": rows[-1]["execution_id"]}
        rows.append(make_run(number, **FAILED, trigger_source=source, start_time=NOON + timedelta(minutes=number)))
    await store_runs(allowing.database_url, rows)
    await set_up(api, receiver)
    assert (await recover(api, 4, 409))["code"] == "recovered_too_often"
    assert (await recover(api, 4, force=True))["is_forced"] is True


async def test_budget_of_an_agent(api: httpx.AsyncClient, allowing: Settings, receiver: Receiver) -> None:
    rows = [make_run(number, **FAILED) for number in (1, 2)]
    await store_runs(allowing.database_url, [*rows, make_run(3, **FAILED, agent_id="another")])
    await set_up(api, receiver, hour_budget=1)
    await recover(api, 1)
    answer = await api.post(f"{path_of(2)}/recovery", json={})
    assert (answer.status_code, answer.json()["code"]) == (429, "budget_spent")
    assert 3500 < int(answer.headers["retry-after"]) <= 3600
    await recover(api, 3)


async def test_webhooks_are_set_up_changed_and_taken_away(
    api: httpx.AsyncClient, allowing: Settings, receiver: Receiver
) -> None:
    webhook = await set_up(api, receiver, name="mine")
    assert (await api.post(HOOKS, json={"purpose": "recovery", "url": receiver.url})).status_code == 409
    assert (await api.post(HOOKS, json={"purpose": "recovery", "url": "ftp://x/"})).status_code == 422
    own = f"{HOOKS}/{webhook['webhook_id']}"
    changed = (await api.patch(own, json={"hour_budget": 3, "has_new_secret": True})).json()
    assert (changed["hour_budget"], changed["name"]) == (3, "mine")
    assert changed["secret"] not in (None, webhook["secret"])
    listed = await api.get(HOOKS)
    WebhookList.model_validate_json(listed.content)
    assert "secret" not in listed.text
    assert (await api.post(f"{own}/test")).status_code == 202
    assert (await api.post(f"{own}/test")).status_code == 202
    await send_all(allowing)
    assert receiver.received[0].is_signed_by(changed["secret"])
    page = await api.get(f"{own}/deliveries", params={"limit": 1})
    DeliveryPage.model_validate_json(page.content)
    rest = await api.get(f"{own}/deliveries", params={"limit": 1, "cursor": page.json()["next_cursor"]})
    states = [item["state"] for answer in (page, rest) for item in answer.json()["items"]]
    assert (sorted(states), rest.json()["next_cursor"]) == (["delivered", "waiting"], None)
    assert [(await api.delete(own)).status_code for _ in range(2)] == [204, 404]


async def test_all_of_an_agent_goes_with_it(api: httpx.AsyncClient, allowing: Settings, receiver: Receiver) -> None:
    await store_runs(allowing.database_url, [make_run(1, **FAILED)])
    await set_up(api, receiver, agent_id="planner")
    await recover(api, 1)
    await send_all(allowing)
    async with await connect(allowing.database_url) as connection:
        await delete_agent(connection, LOCAL_WORKSPACE_ID, "planner")
        for table in ("webhooks", "webhook_deliveries", "webhook_attempts", "recoveries"):
            cursor = await connection.execute(f"SELECT count(*) FROM analytics.{table}")
            assert (table, await cursor.fetchone()) == (table, (0,))
