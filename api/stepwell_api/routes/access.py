"""``/keys``, ``/workspaces`` and ``/audit``: what administrators see and change about access.

With the scope `admin` that is about one's own workspace; with `operate` about all of them.
"""

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import psycopg
from fastapi import Path, Query
from starlette.responses import Response

from stepwell_api.context import Administrator, Manager, Operator, Serving, forbidden
from stepwell_api.encoding import json_response
from stepwell_api.models.access import (
    AuditPage,
    Key,
    KeyList,
    KeyRequest,
    NewKey,
    WorkspaceDeletion,
    WorkspaceItem,
    WorkspaceList,
    WorkspaceRequest,
)
from stepwell_api.pagination import Position, question_of, write_cursor
from stepwell_api.parameters import KeyListParameters, PageParameters, Parameters, Text
from stepwell_api.problems import Problem, ProblemError, invalid_parameter, not_found, shown
from stepwell_api.routes.asking import NOT_FOUND, make_router, position_of
from stepwell_storage import audit, keys
from stepwell_storage.audit import Action
from stepwell_storage.authentication import Caller
from stepwell_storage.deletion import workspaces
from stepwell_storage.keys import Scope

router = make_router("access")

APPLICATION = "stepwell api access"
TAKEN: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "The name is taken"}}
KeyId = Annotated[Text, Path(description="A key's id, as the list of keys tells it")]
WorkspaceId = Annotated[UUID, Path(description="A workspace's id")]


@router.get("/keys", response_model=KeyList, operation_id="list_keys")
async def list_keys(parameters: Annotated[KeyListParameters, Query()], caller: Manager, serving: Serving) -> Response:
    """The API keys of the workspace, without the keys themselves; revoked ones included."""
    async with serving.connection(APPLICATION) as connection:
        workspace = await _asked_for(connection, caller, parameters.workspace_id)
        found = await keys.list_keys(connection, workspace.name)
    return json_response({"items": [_told(key) for key in found], "next_cursor": None})


@router.post("/keys", response_model=NewKey, operation_id="create_key")
async def create_key(
    body: KeyRequest, _: Annotated[Parameters, Query()], caller: Manager, serving: Serving
) -> Response:
    """Makes a key and shows it, this once; only its hash is kept."""
    if Scope.OPERATE in body.scopes and Scope.OPERATE not in caller.scopes:
        raise forbidden("Only who has the scope `operate` can give it.")
    async with serving.connection(APPLICATION) as connection:
        workspace = await _asked_for(connection, caller, body.workspace_id)
        async with connection.transaction():
            issued = await keys.create_key(connection, workspace.name, body.scopes, expires_at=body.expires_at)
            detail = {"scopes": issued.api_key.scopes}
            await audit.note(
                connection, workspace.workspace_id, caller.actor, Action.KEY_CREATED, issued.api_key.key_id, detail
            )
    response = json_response({**_told(issued.api_key), "key": issued.key})
    response.headers["Cache-Control"] = "no-store"
    return response


@router.delete("/keys/{key_id}", response_model=Key, responses=NOT_FOUND, operation_id="revoke_key")
async def revoke_key(key_id: KeyId, _: Annotated[Parameters, Query()], caller: Manager, serving: Serving) -> Response:
    """Ends a key for good, and the sessions that were begun with it; all processes notice within two seconds."""
    only = None if Scope.OPERATE in caller.scopes else caller.workspace_id
    async with serving.connection(APPLICATION) as connection, connection.transaction():
        try:
            revoked = await keys.revoke_key(connection, key_id, only)
        except keys.UnknownKeyError:
            raise not_found(f"There is no key of the id {shown(key_id)}.") from None
        await audit.note(connection, revoked.workspace_id, caller.actor, Action.KEY_REVOKED, key_id)
    return json_response(_told(revoked))


@router.get("/workspaces", response_model=WorkspaceList, operation_id="list_workspaces")
async def list_workspaces(_: Annotated[Parameters, Query()], caller: Manager, serving: Serving) -> Response:
    """With `operate` all workspaces, else one's own."""
    async with serving.connection(APPLICATION) as connection:
        found = await keys.list_workspaces(connection)
    seen = [_shown(one) for one in found if Scope.OPERATE in caller.scopes or one.workspace_id == caller.workspace_id]
    return json_response({"items": seen, "next_cursor": None})


@router.post("/workspaces", response_model=WorkspaceItem, responses=TAKEN, operation_id="create_workspace")
async def create_workspace(
    body: WorkspaceRequest, _: Annotated[Parameters, Query()], caller: Operator, serving: Serving
) -> Response:
    """Makes a workspace."""
    async with serving.connection(APPLICATION) as connection, connection.transaction():
        try:
            made = await keys.create_workspace(connection, body.name)
        except keys.InvalidNameError as error:
            raise invalid_parameter("name", str(error)) from None
        except keys.WorkspaceExistsError as error:
            raise ProblemError(HTTPStatus.CONFLICT, "name_taken", str(error)) from None
        await audit.note(connection, made.workspace_id, caller.actor, Action.WORKSPACE_CREATED, made.name)
    return json_response(_shown(made))


@router.delete(
    "/workspaces/{workspace_id}", response_model=WorkspaceDeletion, responses=NOT_FOUND, operation_id="delete_workspace"
)
async def delete_workspace(
    workspace_id: WorkspaceId, _: Annotated[Parameters, Query()], caller: Operator, serving: Serving
) -> Response:
    """Deletes a workspace with its keys and all that is in it; there is no way back but a backup."""
    if workspace_id == keys.LOCAL_WORKSPACE_ID:
        raise forbidden("The workspace `local` stays: everything lands there without `--auth`.")
    async with serving.connection(APPLICATION) as connection:
        workspace = await _managed(connection, caller, workspace_id)
        if workspace is None:
            raise not_found(f"There is no workspace of the id {workspace_id}.")
        rows = await workspaces.delete_workspace(connection, workspace.name)
        if workspace_id != caller.workspace_id:
            await audit.note(
                connection, caller.workspace_id, caller.actor, Action.WORKSPACE_DELETED, workspace.name, {"rows": rows}
            )
    return json_response({"rows": rows})


@router.get("/audit", response_model=AuditPage, operation_id="list_audit")
async def list_audit(
    parameters: Annotated[PageParameters, Query()], caller: Administrator, serving: Serving
) -> Response:
    """Who changed what in the workspace, the newest first: keys, sessions, decisions, deletions."""
    question = question_of("audit", parameters)
    after = position_of(question, parameters, "integer")
    before = None if after is None or after.value is None else int(after.value)
    async with serving.connection(APPLICATION) as connection:
        found = await audit.read(connection, caller.workspace_id, before=before, limit=parameters.limit + 1)
    page = found[: parameters.limit]
    more = Position(page[-1].entry_id, "", None) if len(found) > len(page) else None
    return json_response({"items": [asdict(entry) for entry in page], "next_cursor": write_cursor(question, more)})


async def _asked_for(connection: psycopg.AsyncConnection, caller: Caller, workspace_id: UUID | None) -> keys.Workspace:
    """The workspace that is asked for by a parameter; the caller's own without one.

    Raises:
        ProblemError: there is none of this id that the caller may manage.
    """
    workspace = await _managed(connection, caller, workspace_id)
    if workspace is None:
        raise invalid_parameter("workspace_id", f"There is no workspace of the id {workspace_id}")
    return workspace


async def _managed(
    connection: psycopg.AsyncConnection, caller: Caller, workspace_id: UUID | None
) -> keys.Workspace | None:
    """The workspace of this id where the caller may manage it; ``None`` where there is none such."""
    asked = workspace_id or caller.workspace_id
    if asked == caller.workspace_id or Scope.OPERATE in caller.scopes:
        for workspace in await keys.list_workspaces(connection):
            if workspace.workspace_id == asked:
                return workspace
    return None


def _told(key: keys.ApiKey) -> dict[str, object]:
    return asdict(key)


def _shown(workspace: keys.Workspace) -> dict[str, object]:
    return {"workspace_id": workspace.workspace_id, "name": workspace.name, "created_at": workspace.created_at}
