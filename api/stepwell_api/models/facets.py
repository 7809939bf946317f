"""Answers about what runs may be filtered by."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class FacetValue(BaseModel):
    """A value that runs tell."""

    model_config = ConfigDict(extra="forbid")

    value: str
    executions: int = Field(description="Runs that tell it")


class Facets(BaseModel):
    """The values that runs of some hours tell, the most frequent first."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: datetime = Field(alias="from", description="Start of the first hour, inclusive")
    to: datetime = Field(description="End of the last hour, exclusive")
    environments: list[FacetValue]
    versions: list[FacetValue]
    models: list[FacetValue] = Field(description="Of one agent; empty for all agents together")
    error_types: list[FacetValue] = Field(description="Of runs that failed or timed out")
