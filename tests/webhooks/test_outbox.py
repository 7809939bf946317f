"""The outbox on a real database with a real receiver: signed, tried again, by one worker at a time, within budgets."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from tests.webhooks.receiver import Receiver

from stepwell_api.webhooks import outbox, registry, running, sending, signing
from stepwell_api.webhooks.addresses import parse_networks
from stepwell_api.webhooks.registry import NewWebhook, Purpose, Webhook
from stepwell_api.webhooks.sending import Outcome
from stepwell_storage.database import connect
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.settings import Settings

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
KEY = "a key of the server's own"
HERE = parse_networks("127.0.0.0/8")

Connection = psycopg.AsyncConnection[Any]


async def make_webhook(connection: Connection, url: str, **changes: Any) -> Webhook:
    return await registry.create(
        connection, LOCAL_WORKSPACE_ID, NewWebhook(**{"purpose": Purpose.ALERT, "url": url, **changes}), KEY
    )


async def put(connection: Connection, webhook: Webhook, delivery_id: str = "d-1", now: datetime = NOW) -> None:
    await outbox.enqueue(connection, webhook, delivery_id, {"é": 1}, agent_id="", subject="s", now=now)


async def send_due(connection: Connection, now: datetime, claim: str = "one", key: str | None = KEY) -> int:
    """As a worker does, at a time of the test's choice; how many were due."""
    due = await outbox.claim_due(connection, now, claim, limit=8)
    for claimed in due:
        await outbox.settle(connection, claimed, claim, await outbox.attempt(claimed, now, key, HERE), now)
    return len(due)


async def delivery(connection: Connection, webhook: Webhook) -> dict[str, Any]:
    (found,) = await outbox.read_deliveries(connection, LOCAL_WORKSPACE_ID, webhook.webhook_id, limit=10)
    return found


async def test_call_is_signed_and_has_its_id(connection: Connection, receiver: Receiver) -> None:
    webhook = await make_webhook(connection, receiver.url)
    await put(connection, webhook)
    assert await send_due(connection, NOW) == 1
    (request,) = receiver.received
    assert (request.path, request.body) == ("/hook?x=1", '{"é":1}'.encode())
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert (request.headers["webhook-id"], request.headers["idempotency-key"]) == ("d-1", "d-1")
    assert request.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert request.is_signed_by(signing.secret_of(webhook.salt, KEY))
    assert not request.is_signed_by(signing.secret_of(webhook.salt, None))
    told = await delivery(connection, webhook)
    assert (told["state"], [a["http_status"] for a in told["attempts"]]) == ("delivered", [200])


async def test_failed_call_is_tried_again_later_and_later(connection: Connection, receiver: Receiver) -> None:
    receiver.answers(500, 503, headers=[("Retry-After", "120")])
    webhook = await make_webhook(connection, receiver.url)
    await put(connection, webhook)
    at, waits = NOW, []
    for _ in range(3):
        assert await send_due(connection, at) == 1
        next_at = (await delivery(connection, webhook))["next_attempt_at"]
        if next_at:
            assert await send_due(connection, next_at - timedelta(milliseconds=1)) == 0
            waits.append((next_at - at).total_seconds())
            at = next_at
    assert waits == [120.0, 120.0]
    told = await delivery(connection, webhook)
    assert (told["state"], [a["outcome"] for a in told["attempts"]]) == ("delivered", ["retry", "retry", "delivered"])
    assert {request.headers["webhook-id"] for request in receiver.received} == {"d-1"}


def test_waits_grow_and_differ() -> None:
    usual = [10.0, 30.0, 90.0, 270.0, 810.0, 2430.0, 3600.0, 3600.0]
    waits = [outbox.wait_s("d-1", attempt) for attempt in range(1, 9)]
    assert all(0.8 * u <= w <= 1.2 * u for u, w in zip(usual, waits, strict=True))
    assert outbox.wait_s("d-1", 1) != outbox.wait_s("d-2", 1)
    assert outbox.wait_s("d-1", 1, 1e9) == outbox.LONGEST_WAIT_S


@pytest.mark.parametrize(
    ("status", "state", "attempts"),
    [(400, "failed", 1), (404, "failed", 1), (302, "failed", 1), (429, "failed", 2), (502, "failed", 2)],
)
async def test_what_is_given_up(
    connection: Connection, receiver: Receiver, status: int, state: str, attempts: int
) -> None:
    receiver.answers(*[status] * 3, headers=[("Location", receiver.url)] if status == 302 else [])
    webhook = await make_webhook(connection, receiver.url, max_attempts=2)
    await put(connection, webhook)
    await send_due(connection, NOW)
    await send_due(connection, NOW + timedelta(hours=2))
    told = await delivery(connection, webhook)
    assert (told["state"], len(told["attempts"]), len(receiver.received)) == (state, attempts, attempts)


async def test_answer_without_end_and_one_too_large(receiver: Receiver) -> None:
    receiver.answers(200, body=b"x" * (sending.MAX_RESPONSE_BYTES + 1))
    large = await sending.post(receiver.url, b"{}", {}, allowed=HERE)
    receiver.hanging = True
    slow = await sending.post(receiver.url, b"{}", {}, allowed=HERE, timeout_s=0.05)
    assert (large.outcome, slow.outcome) == (Outcome.REFUSED, Outcome.RETRY)
    assert slow.reason == "No answer within 0.05 s"


async def test_this_machine_is_not_called_unless_allowed(connection: Connection, receiver: Receiver) -> None:
    answer = await sending.post(receiver.url, b"{}", {})
    assert (answer.outcome, receiver.received) == (Outcome.REFUSED, [])
    assert "may not be called" in str(answer.reason)


async def test_secret_of_another_server_key_signs_nothing(connection: Connection, receiver: Receiver) -> None:
    webhook = await make_webhook(connection, receiver.url)
    await put(connection, webhook)
    await send_due(connection, NOW, key="another key of a server")
    assert ((await delivery(connection, webhook))["state"], receiver.received) == ("failed", [])


async def test_webhook_that_is_gone_is_not_called(connection: Connection, receiver: Receiver) -> None:
    webhook = await make_webhook(connection, receiver.url)
    await put(connection, webhook)
    await registry.delete(connection, LOCAL_WORKSPACE_ID, webhook.webhook_id)
    await send_due(connection, NOW)
    assert ((await delivery(connection, webhook))["state"], receiver.received) == ("failed", [])


async def test_two_workers_never_take_the_same(connection: Connection, database_url: str, receiver: Receiver) -> None:
    webhooks = [await make_webhook(connection, receiver.url) for _ in range(6)]
    for number, webhook in enumerate(webhooks * 4):
        await put(connection, webhook, f"d-{number}")
    others = [await connect(database_url) for _ in range(2)]

    async def work(own: Connection, claim: str) -> list[str]:
        taken = []
        while due := await outbox.claim_due(own, NOW, claim, limit=2):
            taken += [claimed.delivery_id for claimed in due]
            for claimed in due:
                await outbox.settle(own, claimed, claim, sending.Answer(Outcome.DELIVERED), NOW)
        return taken

    first, second = await asyncio.gather(work(others[0], "a"), work(others[1], "b"))
    for other in others:
        await other.close()
    rest = await work(connection, "c")
    assert sorted([*first, *second, *rest]) == sorted(f"d-{number}" for number in range(24))


async def test_what_a_worker_left_is_sent_by_the_next(connection: Connection, receiver: Receiver) -> None:
    webhook = await make_webhook(connection, receiver.url)
    await put(connection, webhook)
    (lost,) = await outbox.claim_due(connection, NOW, "dead", limit=8)
    assert await send_due(connection, NOW + outbox.LEASE - timedelta(seconds=1)) == 0
    assert await send_due(connection, NOW + outbox.LEASE) == 1
    # The first one comes to itself and changes nothing.
    await outbox.settle(connection, lost, "dead", sending.Answer(Outcome.REFUSED, "late"), NOW + outbox.LEASE)
    told = await delivery(connection, webhook)
    assert (told["state"], [a["attempt"] for a in told["attempts"]]) == ("delivered", [1, 2])


async def test_budget_frees_with_time(connection: Connection, receiver: Receiver) -> None:
    webhook = await make_webhook(connection, receiver.url, hour_budget=2, day_budget=3)
    for number, minutes in enumerate((0, 10, 70)):
        await put(connection, webhook, f"d-{number}", NOW + timedelta(minutes=minutes))

    async def left(minutes: float) -> tuple[int, datetime | None]:
        budget = await outbox.budget_of(connection, webhook, "", NOW + timedelta(minutes=minutes))
        return budget.left, budget.frees_at

    assert await left(71) == (0, NOW + timedelta(days=1))
    assert await left(24 * 60 + 1) == (1, None)
    await connection.execute("DELETE FROM analytics.webhook_deliveries WHERE delivery_id = 'd-2'")
    assert await left(20) == (0, NOW + timedelta(hours=1))
    assert await left(61) == (1, None)


async def test_worker_sends_what_is_put_in(connection: Connection, settings: Settings, receiver: Receiver) -> None:
    webhook = await make_webhook(connection, receiver.url)
    allowed = replace(settings, secret_key=KEY, webhook_allow="127.0.0.0/8")
    sender = asyncio.create_task(running.keep_sending(allowed, poll_s=0.01))
    await put(connection, webhook, now=datetime.now(UTC))
    async with asyncio.timeout(20):
        while (await delivery(connection, webhook))["state"] != "delivered":
            await asyncio.sleep(0.01)
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)
    assert len(receiver.received) == 1
