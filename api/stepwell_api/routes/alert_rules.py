"""``/alert-rules``: what people want to be told, and when it would have been."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import numpy as np
import psycopg
from fastapi import Path, Query
from starlette.responses import Response

from stepwell_api.alerts import regressions, sighting, store
from stepwell_api.alerts.messages import Sighting
from stepwell_api.alerts.rules import ALL, Rule, RuleKind, refusal
from stepwell_api.context import Editor, Reader, Serving, Workspace
from stepwell_api.encoding import json_response
from stepwell_api.models.alerts import AlertRule, AlertRuleList, ChangedRuleBody, Preview, RuleBody
from stepwell_api.parameters import AlertPreviewParameters, Parameters, Text
from stepwell_api.problems import ProblemError, invalid_parameter, not_found, shown
from stepwell_api.routes.asking import NOT_FOUND, make_router
from stepwell_api.webhooks import registry
from stepwell_api.webhooks.registry import Purpose
from stepwell_storage import audit
from stepwell_storage.audit import Action
from stepwell_storage.authentication import Caller

router = make_router("alerts")

NAME = "stepwell api alerts"
MOST_RULES = 500
RuleId = Annotated[Text, Path(description="A rule's id")]
TOLD = ("rule_id", "name", "kind", "severity", "cooldown_s", "webhook_ids", "is_enabled", "muted_until", "created_at",
        "changed_at", "checked_at", "failure")  # fmt: skip
WHAT = ("agent_id", "environment", "condition")
"""What a rule looks at: another one starts anew."""


@router.get("/alert-rules", response_model=AlertRuleList, operation_id="list_alert_rules")
async def list_alert_rules(_: Annotated[Parameters, Query()], workspace_id: Workspace, serving: Serving) -> Response:
    """All rules of the workspace, by name."""
    async with serving.connection(NAME) as connection:
        found = await store.read_rules(connection, workspace_id)
    return json_response({"items": [_told(rule) for rule in found], "next_cursor": None})


@router.post("/alert-rules", response_model=AlertRule, status_code=HTTPStatus.CREATED, operation_id="create_alert_rule")
async def create_alert_rule(
    body: RuleBody, _: Annotated[Parameters, Query()], caller: Editor, serving: Serving
) -> Response:
    """Makes a rule; a worker looks at it at once, and from now on."""
    columns = _columns(caller.workspace_id, store.new_id("rule"), body)
    async with serving.connection(NAME) as connection:
        await _check(connection, columns)
        if len(await store.read_rules(connection, caller.workspace_id)) >= MOST_RULES:
            raise invalid_parameter("name", f"There are {MOST_RULES} rules already, which is as many as there may be")
        await store.insert_rule(connection, columns, datetime.now(UTC))
        await _note(connection, caller, Action.ALERT_RULE_CREATED, columns["rule_id"])
        rule = await _one(connection, caller.workspace_id, columns["rule_id"])
    response = json_response(_told(rule))
    response.status_code = HTTPStatus.CREATED
    return response


@router.post("/alert-rules/preview", response_model=Preview, operation_id="preview_alert_rule_body")
async def preview_alert_rule_body(
    body: RuleBody, parameters: Annotated[AlertPreviewParameters, Query()], caller: Reader, serving: Serving
) -> Response:
    """When a rule that is not stored would have fired over the last days."""
    columns = _columns(caller.workspace_id, "preview", body)
    async with serving.connection(NAME) as connection:
        await _check(connection, {**columns, "webhook_ids": []})
        return await _preview(serving.settings.database_url, connection, _rule(columns), parameters.days)


@router.get("/alert-rules/{rule_id}", response_model=AlertRule, responses=NOT_FOUND, operation_id="get_alert_rule")
async def get_alert_rule(
    rule_id: RuleId, _: Annotated[Parameters, Query()], workspace_id: Workspace, serving: Serving
) -> Response:
    """One rule."""
    async with serving.connection(NAME) as connection:
        return json_response(_told(await _one(connection, workspace_id, rule_id)))


@router.patch("/alert-rules/{rule_id}", response_model=AlertRule, responses=NOT_FOUND, operation_id="change_alert_rule")
async def change_alert_rule(
    rule_id: RuleId, body: ChangedRuleBody, _: Annotated[Parameters, Query()], caller: Editor, serving: Serving
) -> Response:
    """Changes a rule. One that looks at something else from then on resolves its alerts and starts anew."""
    async with serving.connection(NAME) as connection:
        before = await _one(connection, caller.workspace_id, rule_id)
        columns = _changed(before, body)
        await _check(connection, columns)
        is_another = any(getattr(before, name) != columns[name] for name in WHAT)
        await store.change_rule(connection, columns, is_another=is_another, now=datetime.now(UTC))
        await _note(connection, caller, Action.ALERT_RULE_CHANGED, rule_id)
        return json_response(_told(await _one(connection, caller.workspace_id, rule_id)))


@router.delete(
    "/alert-rules/{rule_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=NOT_FOUND,
    operation_id="delete_alert_rule",
)
async def delete_alert_rule(
    rule_id: RuleId, _: Annotated[Parameters, Query()], caller: Editor, serving: Serving
) -> None:
    """Takes a rule away; its alerts are resolved and stay in the list."""
    async with serving.connection(NAME) as connection:
        if not await store.delete_rule(connection, caller.workspace_id, rule_id, datetime.now(UTC)):
            raise _unknown(rule_id)
        await _note(connection, caller, Action.ALERT_RULE_DELETED, rule_id)


@router.get(
    "/alert-rules/{rule_id}/preview", response_model=Preview, responses=NOT_FOUND, operation_id="preview_alert_rule"
)
async def preview_alert_rule(
    rule_id: RuleId,
    parameters: Annotated[AlertPreviewParameters, Query()],
    workspace_id: Workspace,
    serving: Serving,
) -> Response:
    """When the rule would have fired over the last days, worked out as a worker does, from what is stored now."""
    async with serving.connection(NAME) as connection:
        rule = await _one(connection, workspace_id, rule_id)
        return await _preview(serving.settings.database_url, connection, rule, parameters.days)


async def _preview(database_url: str, connection: psycopg.AsyncConnection[Any], rule: Rule, days: int) -> Response:
    now = datetime.now(UTC)
    if rule.kind == RuleKind.REGRESSION and not rule.agent_id:
        detail = f"Should name an agent: a preview takes too long over the {regressions.MOST_AGENTS} that are watched"
        raise invalid_parameter("agent_id", detail)
    start, stop, found, points = await sighting.preview(connection, database_url, rule, timedelta(days=days), now)
    answer: dict[str, Any] = {"from": start, "to": stop, "items": [_moment(one) for one in found]}
    names = ("times", "values", "samples", "holds", "fires")
    if points is None:
        return json_response({**answer, **dict.fromkeys(names)})
    known = np.isfinite(points.values)
    values = [float(value) if is_known else None for value, is_known in zip(points.values, known, strict=True)]
    told = (points.times, values, points.samples.astype(int).tolist(), points.holds.tolist(), points.fires.tolist())
    return json_response({**answer, **dict(zip(names, told, strict=True))})


def _moment(one: Sighting) -> dict[str, Any]:
    names = ("subject", "holds_since", "fired_at", "ended_at", "title", "detail", "evidence")
    return {"agent_id": one.agent_id or None, **{name: getattr(one, name) for name in names}}


def _columns(workspace_id: UUID, rule_id: str, body: RuleBody) -> dict[str, Any]:
    """A rule's row from what was sent.

    Raises:
        ProblemError: the condition of its kind is missing, or there is one of another kind.
    """
    for kind in RuleKind:
        if (getattr(body, kind.value) is not None) and kind is not body.kind:
            raise invalid_parameter(kind.value, f"Should be left out of a rule of the kind `{body.kind}`")
    condition = getattr(body, body.kind.value)
    if condition is None:
        raise invalid_parameter(body.kind.value, f"Should be given for a rule of the kind `{body.kind}`")
    names = ("name", "severity", "cooldown_s", "webhook_ids", "is_enabled", "muted_until")
    return {
        **{name: getattr(body, name) for name in names},
        "workspace_id": workspace_id,
        "rule_id": rule_id,
        "kind": body.kind.value,
        "severity": body.severity.value,
        "agent_id": body.agent_id or ALL,
        "environment": body.environment or ALL,
        "condition": condition.model_dump(mode="json"),
    }


def _changed(before: Rule, body: ChangedRuleBody) -> dict[str, Any]:
    kinds = {kind.value for kind in RuleKind}
    told = body.model_dump(mode="json", exclude_unset=True, exclude={"muted_until", *kinds})
    conditions = {kind: getattr(body, kind) for kind in kinds}
    condition = conditions.pop(before.kind)
    wrong = next((name for name, given in conditions.items() if given is not None), None)
    if wrong is not None:
        raise invalid_parameter(wrong, f"Should be left out of a rule of the kind `{before.kind}`")
    names = ("workspace_id", "rule_id", "name", "kind", "agent_id", "environment", "condition", "severity",
             "cooldown_s", "webhook_ids", "is_enabled", "muted_until")  # fmt: skip
    columns = {name: getattr(before, name) for name in names}
    columns.update({name: value for name, value in told.items() if value is not None})
    if condition is not None:
        columns["condition"] = condition.model_dump(mode="json")
    if "muted_until" in body.model_fields_set:
        columns["muted_until"] = body.muted_until
    return columns


async def _check(connection: psycopg.AsyncConnection[Any], columns: Mapping[str, Any]) -> None:
    """Returns where the rule can be watched, and its webhooks told.

    Raises:
        ProblemError: it cannot.
    """
    wrong = refusal(RuleKind(columns["kind"]), columns["agent_id"], columns["condition"])
    if wrong is not None:
        raise invalid_parameter(*wrong)
    known = await registry.read_all(connection, columns["workspace_id"])
    telling = {webhook.webhook_id for webhook in known if webhook.purpose == Purpose.ALERT}
    unknown = next((webhook_id for webhook_id in columns["webhook_ids"] if webhook_id not in telling), None)
    if unknown is not None:
        raise invalid_parameter("webhook_ids", f"There is no webhook for alerts of the id {shown(unknown)}")


def _rule(columns: Mapping[str, Any]) -> Rule:
    now = datetime.now(UTC)
    unset = {"created_at": now, "changed_at": now, "checked_at": None, "checked_until": None, "failure": None}
    return Rule(**{**columns, **unset})


async def _one(connection: psycopg.AsyncConnection[Any], workspace_id: UUID, rule_id: str) -> Rule:
    """The rule.

    Raises:
        ProblemError: there is none of this id.
    """
    found = await store.read_rules(connection, workspace_id, rule_id)
    if not found:
        raise _unknown(rule_id)
    return found[0]


def _unknown(rule_id: str) -> ProblemError:
    return not_found(f"There is no rule of the id {shown(rule_id)}.")


def _told(rule: Rule) -> dict[str, Any]:
    conditions = {kind.value: rule.condition if kind == rule.kind else None for kind in RuleKind}
    scope = {"agent_id": rule.agent_id or None, "environment": rule.environment or None}
    return {**{name: getattr(rule, name) for name in TOLD}, **scope, **conditions}


async def _note(connection: psycopg.AsyncConnection[Any], caller: Caller, action: Action, rule_id: str) -> None:
    await audit.note(connection, caller.workspace_id, caller.actor, action, rule_id)
