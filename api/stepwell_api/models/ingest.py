"""Answers about what came in."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ReasonCount(BaseModel):
    """How many for one reason."""

    model_config = ConfigDict(extra="forbid")

    reason: str
    count: int


class IngestCounts(BaseModel):
    """What became of what came in. received = stored + duplicate + rejected, and kept = stored - replaced - dropped."""

    model_config = ConfigDict(extra="forbid")

    received: int = Field(description="Items in requests that were answered with success, in full or in part")
    stored: int = Field(description="New items")
    duplicate: int = Field(description="Items that had been stored before and changed nothing")
    rejected: int = Field(description="Items that cannot be stored; the sum of `rejected_by_reason`")
    rejected_by_reason: list[ReasonCount]
    live: int = Field(description="Of the stored: spans that told their start alone")
    late: int = Field(description="Of the stored: spans that came more than 5 minutes after they had ended")
    replaced: int = Field(description="Of the live: those that are gone since their finished span is there")
    dropped: int = Field(description="Of the stored: items that were deleted again; the sum of `dropped_by_reason`")
    dropped_by_reason: list[ReasonCount]
    kept: int | None = Field(description="What is there now; null for metrics, which expire")
    orphaned: int = Field(description="Of the kept: spans whose parent, of the same process, has not come")
    excluded_prompt_tokens: int = Field(description="Tokens that no run counts, since another span reports them too")
    excluded_completion_tokens: int = Field(description="The same for completion tokens")
    refused_requests: int = Field(
        description="Requests that were refused as a whole, whose items are not among the received; the sum of "
        "`refused_by_reason`"
    )
    refused_by_reason: list[ReasonCount]


class KeyIngestCounts(IngestCounts):
    """What came by one API key."""

    key_id: str | None = Field(description="Null without authentication")
    key_prefix: str | None = Field(description="The key's first characters, to recognise it by")


class HourIngestCounts(IngestCounts):
    """What came in one hour, and what has become of that since."""

    hour: datetime = Field(description="Start of the hour, UTC")


class IngestLedger(BaseModel):
    """What came in over a window of hours."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: datetime = Field(alias="from", description="Start of the first hour, inclusive")
    to: datetime = Field(description="End of the last hour, exclusive")
    signal: Literal["traces", "logs", "metrics"]
    totals: IngestCounts
    by_key: list[KeyIngestCounts] = Field(description="The same by API key; the sums are `totals`")
    by_hour: list[HourIngestCounts] = Field(
        description="The same by hour of arrival; hours without anything are left out; the sums are `totals`"
    )
