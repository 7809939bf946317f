"""``/webhooks``: where Stepwell calls, to recover runs and about alerts, and what it sent there."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import psycopg
from fastapi import Path, Query
from starlette.responses import Response

from stepwell_api.context import Administrator, Context, Serving, Workspace
from stepwell_api.encoding import json_response
from stepwell_api.models.webhooks import (
    ChangedWebhookBody,
    Delivery,
    DeliveryPage,
    IssuedWebhook,
    NewWebhookBody,
    WebhookList,
)
from stepwell_api.pagination import Position, question_of, write_cursor
from stepwell_api.parameters import PageParameters, Parameters, Text
from stepwell_api.problems import Problem, ProblemError, invalid_parameter, not_found, shown
from stepwell_api.routes.asking import NOT_FOUND, make_router, position_of
from stepwell_api.times import from_microseconds, to_microseconds
from stepwell_api.webhooks import outbox, registry, signing
from stepwell_api.webhooks.addresses import RefusedAddressError
from stepwell_api.webhooks.registry import Changes, Format, NewWebhook, Purpose, Webhook
from stepwell_storage import audit
from stepwell_storage.audit import Action
from stepwell_storage.authentication import Caller

router = make_router("webhooks")

WebhookId = Annotated[Text, Path(description="A webhook's id")]
CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "There is one already"}}


NAME = "stepwell api webhooks"


@router.get("/webhooks", response_model=WebhookList, operation_id="list_webhooks")
async def list_webhooks(_: Annotated[Parameters, Query()], workspace_id: Workspace, serving: Serving) -> Response:
    """Where Stepwell calls, without secrets."""
    async with serving.connection(NAME) as connection:
        found = await registry.read_all(connection, workspace_id)
    return json_response({"items": [_told(serving, webhook) for webhook in found], "next_cursor": None})


@router.post(
    "/webhooks",
    response_model=IssuedWebhook,
    status_code=HTTPStatus.CREATED,
    responses=CONFLICT,
    operation_id="create_webhook",
)
async def create_webhook(
    body: NewWebhookBody, _: Annotated[Parameters, Query()], caller: Administrator, serving: Serving
) -> Response:
    """Sets a webhook up; its `secret` is told in this answer alone."""
    if body.purpose is Purpose.RECOVERY and body.format is Format.SLACK:
        raise invalid_parameter("format", "Should be `stepwell` for recoveries: an agent has to read what it is told")
    new = NewWebhook(**{**body.model_dump(), "agent_id": _agent(body)})
    async with serving.connection(NAME) as connection:
        try:
            webhook = await registry.create(connection, caller.workspace_id, new, serving.settings.secret_key)
        except RefusedAddressError as error:
            raise invalid_parameter("url", str(error)) from error
        except registry.WebhookExistsError as error:
            detail = "These recoveries have a webhook already; change it, or delete it first."
            raise ProblemError(HTTPStatus.CONFLICT, "webhook_exists", detail) from error
        await _note(connection, caller, Action.WEBHOOK_CREATED, webhook.webhook_id)
    secret = signing.secret_of(webhook.salt, serving.settings.secret_key)
    return _answer({**_told(serving, webhook), "secret": secret}, HTTPStatus.CREATED)


@router.patch(
    "/webhooks/{webhook_id}", response_model=IssuedWebhook, responses=NOT_FOUND, operation_id="change_webhook"
)
async def change_webhook(
    webhook_id: WebhookId,
    body: ChangedWebhookBody,
    _: Annotated[Parameters, Query()],
    caller: Administrator,
    serving: Serving,
) -> Response:
    """Changes a webhook; with `has_new_secret` the new secret is told in this answer alone."""
    changes = Changes(**body.model_dump())
    key = serving.settings.secret_key
    async with serving.connection(NAME) as connection:
        before = await _one(connection, caller.workspace_id, webhook_id)
        if before.purpose == Purpose.RECOVERY and changes.format is Format.SLACK:
            raise invalid_parameter("format", "Should be `stepwell` for recoveries")
        try:
            webhook = await registry.change(connection, caller.workspace_id, webhook_id, changes, key)
        except RefusedAddressError as error:
            raise invalid_parameter("url", str(error)) from error
        if webhook is None:
            raise _unknown(webhook_id)
        await _note(connection, caller, Action.WEBHOOK_CHANGED, webhook_id)
    secret = signing.secret_of(webhook.salt, key) if body.has_new_secret else None
    return json_response({**_told(serving, webhook), "secret": secret})


@router.delete(
    "/webhooks/{webhook_id}", status_code=HTTPStatus.NO_CONTENT, responses=NOT_FOUND, operation_id="delete_webhook"
)
async def delete_webhook(
    webhook_id: WebhookId, _: Annotated[Parameters, Query()], caller: Administrator, serving: Serving
) -> None:
    """Takes a webhook away; what waits for it is not sent."""
    async with serving.connection(NAME) as connection:
        if not await registry.delete(connection, caller.workspace_id, webhook_id):
            raise _unknown(webhook_id)
        await _note(connection, caller, Action.WEBHOOK_DELETED, webhook_id)


@router.post(
    "/webhooks/{webhook_id}/test",
    response_model=Delivery,
    status_code=HTTPStatus.ACCEPTED,
    responses=NOT_FOUND,
    operation_id="try_webhook",
)
async def try_webhook(
    webhook_id: WebhookId, _: Annotated[Parameters, Query()], caller: Administrator, serving: Serving
) -> Response:
    """Has a worker call the webhook with something to try it out; its deliveries tell what came of it."""
    async with serving.connection(NAME) as connection:
        webhook = await _one(connection, caller.workspace_id, webhook_id)
        await outbox.enqueue_test(connection, webhook, datetime.now(UTC))
        (newest,) = await outbox.read_deliveries(connection, caller.workspace_id, webhook_id, limit=1)
    return _answer(newest, HTTPStatus.ACCEPTED)


@router.get(
    "/webhooks/{webhook_id}/deliveries",
    response_model=DeliveryPage,
    responses=NOT_FOUND,
    operation_id="list_webhook_deliveries",
)
async def list_webhook_deliveries(
    webhook_id: WebhookId, parameters: Annotated[PageParameters, Query()], workspace_id: Workspace, serving: Serving
) -> Response:
    """What was sent to a webhook with every attempt, the newest first; kept for 90 days."""
    question = question_of(f"deliveries {webhook_id}", parameters)
    after = position_of(question, parameters, "time")
    before = None if after is None else from_microseconds(int(after.value or 0))
    async with serving.connection(NAME) as connection:
        await _one(connection, workspace_id, webhook_id)
        found = await outbox.read_deliveries(
            connection,
            workspace_id,
            webhook_id,
            limit=parameters.limit + 1,
            before=before,
            after_id=after.tiebreak if after else "",
        )
    items = found[: parameters.limit]
    more = None
    if len(found) > len(items):
        more = Position(to_microseconds(items[-1]["created_at"]), items[-1]["delivery_id"], None)
    return json_response({"items": items, "next_cursor": write_cursor(question, more)})


async def _note(connection: psycopg.AsyncConnection[Any], caller: Caller, action: Action, webhook_id: str) -> None:
    await audit.note(connection, caller.workspace_id, caller.actor, action, webhook_id)


def _agent(body: NewWebhookBody) -> str:
    if body.purpose is Purpose.ALERT and body.agent_id:
        raise invalid_parameter(
            "agent_id", "Should be left out for alerts: their rules say whose figures they are about"
        )
    if body.agent_id == "":
        raise invalid_parameter("agent_id", "Should be an agent's id, or left out for all agents")
    return body.agent_id or registry.ALL_AGENTS


async def _one(connection: psycopg.AsyncConnection[Any], workspace_id: UUID, webhook_id: str) -> Webhook:
    """The webhook.

    Raises:
        ProblemError: there is none of this id.
    """
    found = await registry.read_all(connection, workspace_id, webhook_id)
    if not found:
        raise _unknown(webhook_id)
    return found[0]


def _unknown(webhook_id: str) -> ProblemError:
    return not_found(f"There is no webhook of the id {shown(webhook_id)}.")


def _told(serving: Context, webhook: Webhook) -> dict[str, Any]:
    names = ("webhook_id", "purpose", "name", "format", "max_attempts", "hour_budget", "day_budget", "is_enabled",
             "created_at", "changed_at")  # fmt: skip
    return {
        **{name: getattr(webhook, name) for name in names},
        "agent_id": webhook.agent_id or None,
        "url": registry.shown_url(webhook.url),
        "is_signable": webhook.key_id == signing.key_id_of(serving.settings.secret_key),
    }


def _answer(content: Any, status: HTTPStatus) -> Response:
    response = json_response(content)
    response.status_code = status
    return response
