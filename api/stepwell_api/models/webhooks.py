"""What ``/webhooks`` answers and takes."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from stepwell_api.parameters import Text
from stepwell_api.webhooks.addresses import MAX_URL_CHARACTERS
from stepwell_api.webhooks.registry import Format, Purpose


class Attempt(BaseModel):
    """One call."""

    model_config = ConfigDict(extra="forbid")

    attempt: int = Field(description="From 1")
    outcome: Literal["sending", "delivered", "retry", "refused", "unknown"] = Field(
        description="`retry`: it may go well another time; `unknown`: the worker ended before it could tell"
    )
    started_at: datetime
    duration_ms: float | None
    http_status: int | None
    reason: str | None = Field(description="Why it failed")
    response: str | None = Field(description="The beginning of the answer")


class Webhook(BaseModel):
    """A webhook as it is set up."""

    model_config = ConfigDict(extra="forbid")

    webhook_id: str
    purpose: Purpose
    agent_id: str | None = Field(description="Whose runs it recovers; null for all agents, and for alerts")
    name: str
    url: str = Field(description="In part: the rest of it is as good as a password")
    format: Format
    max_attempts: int
    hour_budget: int
    day_budget: int
    is_enabled: bool
    is_signable: bool = Field(description="False where its secret is of another server key; give it a new one")
    created_at: datetime
    changed_at: datetime


class IssuedWebhook(Webhook):
    """A webhook whose secret is new."""

    secret: str | None = Field(description="To check signatures by; told only when it is made, null otherwise")


class WebhookList(BaseModel):
    """The workspace's webhooks."""

    model_config = ConfigDict(extra="forbid")

    items: list[Webhook]
    next_cursor: None = Field(description="Always null: there are never more than one answer holds")


class Delivery(BaseModel):
    """Something that was to be sent."""

    model_config = ConfigDict(extra="forbid")

    delivery_id: str = Field(description="`webhook-id` of all attempts")
    webhook_id: str
    agent_id: str
    subject: str = Field(description="The execution or the alert that it is about")
    state: Literal["waiting", "delivered", "failed", "cancelled"]
    created_at: datetime
    ended_at: datetime | None
    next_attempt_at: datetime | None
    reason: str | None
    attempts: list[Attempt]


class DeliveryPage(BaseModel):
    """A page of what was sent, the newest first."""

    model_config = ConfigDict(extra="forbid")

    items: list[Delivery]
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last one")


class NewWebhookBody(BaseModel):
    """A webhook to set up."""

    model_config = ConfigDict(extra="forbid")

    purpose: Purpose
    url: Text = Field(max_length=MAX_URL_CHARACTERS, description="https, or http to a network that the operator allows")
    agent_id: Text | None = Field(default=None, description="Whose runs it recovers; without it, all agents'")
    name: Text = Field(default="", max_length=200)
    format: Format = Field(default=Format.STEPWELL, description="`slack` for alerts alone")
    max_attempts: int = Field(default=5, ge=1, le=10, description="Of each call")
    hour_budget: int = Field(default=20, ge=0, le=10_000, description="Recoveries of an agent, or alerts, in an hour")
    day_budget: int = Field(default=100, ge=0, le=100_000, description="The same in a day")
    is_enabled: bool = True


class ChangedWebhookBody(BaseModel):
    """What to change about a webhook; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    url: Text | None = Field(default=None, max_length=MAX_URL_CHARACTERS)
    name: Text | None = Field(default=None, max_length=200)
    format: Format | None = None
    max_attempts: int | None = Field(default=None, ge=1, le=10)
    hour_budget: int | None = Field(default=None, ge=0, le=10_000)
    day_budget: int | None = Field(default=None, ge=0, le=100_000)
    is_enabled: bool | None = None
    has_new_secret: bool = Field(default=False, description="Whether to make a new secret; the old one ends at once")
