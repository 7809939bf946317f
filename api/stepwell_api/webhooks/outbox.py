"""What is to be sent, and what became of it: a table, so that nothing is lost when a process ends.

A delivery waits for its time. A worker takes it for `LEASE`, which is longer than a call can last, so that no two send
it at the same time; one that ends in between leaves it to the next. So everything is sent at least once, always with
the same id, by which a receiver acts once.
"""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
import psycopg
from psycopg.rows import class_row, dict_row

from stepwell_api.webhooks import signing
from stepwell_api.webhooks.addresses import Network
from stepwell_api.webhooks.registry import Format, Webhook
from stepwell_api.webhooks.sending import MAX_BODY_BYTES, Answer, Outcome, post
from stepwell_storage import metrics, queries

SQL = queries.load("webhooks")

LEASE: Final = timedelta(seconds=60)
FIRST_WAIT_S: Final = 10.0
WAIT_FACTOR: Final = 3.0
LONGEST_WAIT_S: Final = 3600.0
JITTER: Final = 0.2
"""By which part waits differ, so that what failed together is not tried together."""
KEPT_FOR: Final = timedelta(days=90)
LOGGED_CHARACTERS: Final = 2_000
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")

Connection = psycopg.AsyncConnection[Any]


class BodyTooLargeError(Exception):
    """What is to be sent is larger than a call may be."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left of a webhook's budget for an agent."""

    left: int
    frees_at: datetime | None
    """When the next call fits in; ``None`` while there is something left, or where none ever will."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is this worker's for a while, with what it takes to send it."""

    workspace_id: UUID
    delivery_id: str
    webhook_id: str
    body: str = field(repr=False)
    attempts: int
    """The number of this attempt, from 1."""
    url: str | None = field(repr=False)
    """``None`` where the webhook is gone."""
    salt: bytes | None = field(repr=False)
    key_id: str | None
    max_attempts: int | None
    is_enabled: bool


def new_id(prefix: str) -> str:
    """An id for something to be sent, which is its idempotency key."""
    return f"{prefix}_{uuid4().hex}"


async def budget_of(connection: Connection, webhook: Webhook, agent_id: str, now: datetime) -> Budget:
    """What is left; the webhook's row has to be locked, else two may take the last one."""
    parameters = {"workspace_id": webhook.workspace_id, "webhook_id": webhook.webhook_id, "agent_id": agent_id}
    row = await (await connection.execute(SQL.spent, {**parameters, "now": now})).fetchone()
    assert row is not None
    in_hour, in_day, first_in_hour, first_in_day = row
    left = min(webhook.hour_budget - in_hour, webhook.day_budget - in_day)
    if left > 0:
        return Budget(left, None)
    frees = []
    if in_hour >= webhook.hour_budget:
        frees.append(first_in_hour + timedelta(hours=1) if first_in_hour else None)
    if in_day >= webhook.day_budget:
        frees.append(first_in_day + timedelta(days=1) if first_in_day else None)
    known = [at for at in frees if at is not None]
    return Budget(0, max(known) if len(known) == len(frees) else None)


async def enqueue(
    connection: Connection,
    webhook: Webhook,
    delivery_id: str,
    content: Mapping[str, Any],
    *,
    agent_id: str,
    subject: str,
    now: datetime,
    delay_s: float = 0.0,
    refusal: str | None = None,
) -> None:
    """Puts something in the outbox, in the caller's transaction; with a `refusal` it is noted and never sent.

    Raises:
        BodyTooLargeError: it is larger than a call may be.
    """
    body = orjson.dumps(content, option=orjson.OPT_UTC_Z)
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLargeError(f"{len(body)} bytes are more than {MAX_BODY_BYTES}")
    parameters = {
        "workspace_id": webhook.workspace_id,
        "delivery_id": delivery_id,
        "webhook_id": webhook.webhook_id,
        "agent_id": agent_id,
        "subject": subject,
        "body": body.decode(),
        "state": "cancelled" if refusal else "waiting",
        "not_before": now + timedelta(seconds=delay_s),
        "now": now,
        "ended_at": now if refusal else None,
        "reason": refusal,
    }
    await connection.execute(SQL.enqueue, parameters)


async def enqueue_test(connection: Connection, webhook: Webhook, now: datetime) -> str:
    """Puts something in the outbox to try the webhook out; gives the delivery's id."""
    delivery_id = new_id("test")
    content: dict[str, Any] = {"type": "test", "timestamp": now, "data": {"webhook_id": webhook.webhook_id}}
    if webhook.format == Format.SLACK:
        content = {"text": "Stepwell can reach this channel."}
    await enqueue(connection, webhook, delivery_id, content, agent_id="", subject="test", now=now)
    return delivery_id


async def claim_due(
    connection: Connection, now: datetime, claim: str, *, limit: int, busy: Collection[str] = ()
) -> Sequence[Claimed]:
    """Takes up to `limit` deliveries whose time has come, of each webhook at most one, none of those `busy`."""
    parameters = {"now": now, "claimed_until": now + LEASE, "claim": claim, "limit": limit, "busy": list(busy)}
    async with connection.cursor(row_factory=class_row(Claimed)) as cursor:
        await cursor.execute(SQL.claim_due, parameters)
        return await cursor.fetchall()


async def attempt(claimed: Claimed, now: datetime, server_key: str | None, allowed: Sequence[Network]) -> Answer:
    """Sends a delivery, signed."""
    if claimed.url is None or claimed.salt is None or not claimed.is_enabled:
        return Answer(Outcome.REFUSED, "The webhook is gone or disabled")
    if claimed.key_id != signing.key_id_of(server_key):
        return Answer(Outcome.REFUSED, "The webhook's secret is of another server key; give it a new secret")
    body = claimed.body.encode()
    secret = signing.secret_of(claimed.salt, server_key)
    headers = signing.headers(secret, claimed.delivery_id, int(now.timestamp()), body)
    answer = await post(claimed.url, body, headers, allowed=allowed)
    metrics.WEBHOOK_ATTEMPTS.labels(answer.outcome.value).inc()
    metrics.WEBHOOK_SECONDS.observe(answer.duration_ms / 1000)
    return answer


async def settle(connection: Connection, claimed: Claimed, claim: str, answer: Answer, now: datetime) -> None:
    """Writes what became of an attempt: done, to be tried again later, or given up."""
    retries = answer.outcome is Outcome.RETRY and claimed.attempts < (claimed.max_attempts or 1)
    state = "delivered" if answer.outcome is Outcome.DELIVERED else "waiting" if retries else "failed"
    wait = timedelta(seconds=wait_s(claimed.delivery_id, claimed.attempts, answer.retry_after_s))
    told = answer.body.decode("utf-8", "replace").replace("\0", "")[:LOGGED_CHARACTERS]
    at = {"workspace_id": claimed.workspace_id, "delivery_id": claimed.delivery_id}
    settled = {
        **at,
        "claim": claim,
        "state": state,
        "next_attempt_at": now + wait if retries else None,
        "ended_at": None if retries else now,
        "reason": answer.reason,
    }
    logged = {
        **at,
        "attempt": claimed.attempts,
        "outcome": answer.outcome.value,
        "duration_ms": answer.duration_ms,
        "http_status": answer.http_status,
        "reason": answer.reason,
        "response": told or None,
    }
    async with connection.transaction():
        await connection.execute(SQL.settle, settled)
        await connection.execute(SQL.log_attempt, logged)
        trace_id = told_trace_id(answer.body) if answer.outcome is Outcome.DELIVERED else None
        if trace_id:
            await connection.execute(SQL.note_told_run, {**at, "trace_id": trace_id})


def wait_s(delivery_id: str, attempt: int, retry_after_s: float | None = None) -> float:
    """Seconds until the attempt after this one: three times as long each time, up to an hour, never the same twice."""
    usual = min(FIRST_WAIT_S * WAIT_FACTOR ** (attempt - 1), LONGEST_WAIT_S)
    chance = int.from_bytes(hashlib.sha256(f"{delivery_id}.{attempt}".encode()).digest()[:4]) / 2**32
    wait = usual * (1 + JITTER * (2 * chance - 1))
    return max(wait, min(retry_after_s or 0.0, LONGEST_WAIT_S))


def told_trace_id(body: bytes) -> str | None:
    """The trace of the run that a receiver says it starts: ``trace_id`` or ``execution_id`` of its JSON answer."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(answer, dict):
        return None
    for name in ("trace_id", "execution_id"):
        found = _TRACE_ID.match(str(answer.get(name, "")).lower())
        if found:
            return found[0]
    return None


async def forget_old(connection: Connection, now: datetime) -> None:
    """Forgets what ended long ago, with its attempts."""
    await connection.execute(SQL.forget, {"before": now - KEPT_FOR})


async def read_deliveries(
    connection: Connection,
    workspace_id: UUID,
    webhook_id: str,
    *,
    limit: int,
    before: datetime | None = None,
    after_id: str = "",
) -> list[dict[str, Any]]:
    """What was sent to a webhook with all attempts, the newest first."""
    parameters = {"workspace_id": workspace_id, "webhook_id": webhook_id}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            SQL.read_deliveries, {**parameters, "limit": limit, "before": before, "after_id": after_id}
        )
        found = await cursor.fetchall()
    attempts = await read_attempts(connection, workspace_id, [row["delivery_id"] for row in found])
    return [{**row, "attempts": attempts.get(row["delivery_id"], [])} for row in found]


async def read_attempts(
    connection: Connection, workspace_id: UUID, delivery_ids: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """The attempts of deliveries by their ids, in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL.read_attempts, {"workspace_id": workspace_id, "delivery_ids": list(delivery_ids)})
        for row in await cursor.fetchall():
            found.setdefault(row.pop("delivery_id"), []).append(row)
    return found
