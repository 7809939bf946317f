"""Answers about how long what is kept."""

from pydantic import BaseModel, ConfigDict, Field


class Retention(BaseModel):
    """For how many days the workspace keeps what; null for ever."""

    model_config = ConfigDict(extra="forbid")

    payload_days: int | None = Field(description="Inputs, outputs, attributes, events and texts of logs")
    raw_days: int | None = Field(description="Executions, steps and log records")
    hour_days: int | None = Field(description="Figures by the hour")
    day_days: int | None = Field(description="Figures by the day")
