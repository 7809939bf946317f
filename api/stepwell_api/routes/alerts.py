"""``/alerts``: what rules saw, and what people did about it."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import psycopg
from fastapi import Path, Query
from starlette.responses import Response

from stepwell_api.alerts import store
from stepwell_api.context import Editor, Serving, Workspace
from stepwell_api.encoding import json_response
from stepwell_api.models.alerts import AlertPage, AlertWithEvents, ChangedAlertBody
from stepwell_api.pagination import Position, question_of, write_cursor
from stepwell_api.parameters import AlertListParameters, Parameters, Text
from stepwell_api.problems import not_found, shown
from stepwell_api.routes.alert_rules import NAME
from stepwell_api.routes.asking import NOT_FOUND, make_router, position_of
from stepwell_api.times import from_microseconds, to_microseconds
from stepwell_storage import audit
from stepwell_storage.audit import Action

router = make_router("alerts")

AlertId = Annotated[Text, Path(description="An alert's id")]


@router.get("/alerts", response_model=AlertPage, operation_id="list_alerts")
async def list_alerts(
    parameters: Annotated[AlertListParameters, Query()], workspace_id: Workspace, serving: Serving
) -> Response:
    """What rules saw, the newest first; kept for 400 days after it was over."""
    question = question_of("alerts", parameters)
    after = position_of(question, parameters, "time")
    async with serving.connection(NAME) as connection:
        found = await store.read_alerts(
            connection,
            workspace_id,
            limit=parameters.limit + 1,
            states=[str(state) for state in parameters.state],
            agent_ids=parameters.agent_id,
            rule_id=parameters.rule_id,
            before=None if after is None else from_microseconds(int(after.value or 0)),
            after_id=after.tiebreak if after else "",
        )
    items = found[: parameters.limit]
    more = None
    if len(found) > len(items):
        more = Position(to_microseconds(items[-1]["fired_at"]), items[-1]["alert_id"], None)
    return json_response({"items": items, "next_cursor": write_cursor(question, more)})


@router.get("/alerts/{alert_id}", response_model=AlertWithEvents, responses=NOT_FOUND, operation_id="get_alert")
async def get_alert(
    alert_id: AlertId, _: Annotated[Parameters, Query()], workspace_id: Workspace, serving: Serving
) -> Response:
    """One alert with what happened to it."""
    async with serving.connection(NAME) as connection:
        return json_response(await _one(connection, workspace_id, alert_id))


@router.patch("/alerts/{alert_id}", response_model=AlertWithEvents, responses=NOT_FOUND, operation_id="change_alert")
async def change_alert(
    alert_id: AlertId, body: ChangedAlertBody, _: Annotated[Parameters, Query()], caller: Editor, serving: Serving
) -> Response:
    """Acknowledges an alert, mutes it, or notes something."""
    now = datetime.now(UTC)
    async with serving.connection(NAME) as connection, connection.transaction():
        alert = await _one(connection, caller.workspace_id, alert_id)
        columns = {name: alert[name] for name in ("acknowledged_at", "muted_until", "note")}
        if body.is_acknowledged is not None:
            columns["acknowledged_at"] = (alert["acknowledged_at"] or now) if body.is_acknowledged else None
        for name in {"muted_until", "note"} & body.model_fields_set:
            columns[name] = getattr(body, name)
        await store.change_alert(connection, caller.workspace_id, alert_id, columns)
        event = "acknowledged" if body.is_acknowledged else "changed"
        detail = f"{caller.actor}: {body.note}" if body.note else caller.actor
        await store.note_event(connection, caller.workspace_id, alert_id, event, now, detail)
        told: dict[str, Any] = {"event": event}
        await audit.note(connection, caller.workspace_id, caller.actor, Action.ALERT_CHANGED, alert_id, told)
        return json_response(await _one(connection, caller.workspace_id, alert_id))


async def _one(connection: psycopg.AsyncConnection[Any], workspace_id: UUID, alert_id: str) -> dict[str, Any]:
    """The alert with its events.

    Raises:
        ProblemError: there is none of this id.
    """
    found = await store.read_alerts(connection, workspace_id, limit=1, alert_id=alert_id)
    if not found:
        raise not_found(f"There is no alert of the id {shown(alert_id)}.")
    return {**found[0], "events": await store.read_events(connection, workspace_id, alert_id)}
