"""What the endpoints about sessions, keys, workspaces and the audit log take and answer."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from stepwell_api.parameters import Text
from stepwell_api.times import Time
from stepwell_storage.keys import Scope


class Body(BaseModel):
    """What is sent; unknown fields are refused, so that a typing error is told."""

    model_config = ConfigDict(extra="forbid")


class SignIn(Body):
    """A key to sign in with."""

    key: Annotated[str, Field(max_length=200, description="An API key with the scope `read` or more")]


class WorkspaceName(BaseModel):
    """A workspace to change to."""

    workspace_id: UUID
    name: str


class Session(BaseModel):
    """Who is signed in, or how to."""

    auth_required: bool = Field(description="False without `--auth`: everyone who gets here sees everything")
    signed_in: bool = Field(description="Whether what is asked next is answered")
    actor: str | None = Field(description="Who it is: `key ID`, `person NAME`, or `local` without `--auth`")
    scopes: list[Scope] = Field(description="What may be done")
    workspace: WorkspaceName | None = Field(description="Whose data is shown")
    workspaces: list[WorkspaceName] = Field(description="Those that the session may change to, its own among them")
    expires_at: datetime | None = Field(description="When the session ends; null for one that is none")
    ways: list[Literal["key", "openid"]] = Field(description="How to sign in here")


class SessionChange(Body):
    """The workspace to change to."""

    workspace_id: UUID


class Key(BaseModel):
    """An API key, without the key itself."""

    key_id: str
    workspace_id: UUID
    workspace: str
    key_prefix: str = Field(description="The key's first characters, to recognise it by")
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None = Field(description="Null: good until it is revoked")
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute; null where it never was")


class NewKey(Key):
    """A key in the only answer that shows it."""

    key: str = Field(description="It is not shown again")


class KeyRequest(Body):
    """The key to make."""

    scopes: Annotated[list[Scope], Field(min_length=1)] = [Scope.INGEST, Scope.READ]
    expires_at: Annotated[Time | None, Field(description="When it ends; null for never")] = None
    workspace_id: Annotated[
        UUID | None, Field(description="Whose; the asking key's own where it is null, another with `operate` only")
    ] = None


class KeyList(BaseModel):
    """All keys, revoked ones included."""

    items: list[Key]
    next_cursor: None = Field(description="Always null: there are never more than one answer holds")


class WorkspaceRequest(Body):
    """The workspace to make."""

    name: Annotated[Text, Field(min_length=1, max_length=200)]


class WorkspaceItem(WorkspaceName):
    """A tenant."""

    created_at: datetime


class WorkspaceList(BaseModel):
    """Workspaces by name."""

    items: list[WorkspaceItem]
    next_cursor: None = Field(description="Always null: there are never more than one answer holds")


class WorkspaceDeletion(BaseModel):
    """How much was deleted."""

    rows: dict[str, int] = Field(description="Rows by relation")


class AuditEntry(BaseModel):
    """One change."""

    entry_id: int
    at: datetime
    actor: str = Field(description="Who made it: `key ID`, `person NAME`, `local`, or `command line`")
    action: str
    target: str | None = Field(description="What was changed")
    detail: dict[str, Any]


class AuditPage(BaseModel):
    """Changes, the newest first."""

    items: list[AuditEntry]
    next_cursor: str | None
