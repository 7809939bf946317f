"""The answer to a deletion."""

from pydantic import BaseModel, Field


class Deletion(BaseModel):
    """How much was deleted."""

    executions: int = Field(description="Runs")
    steps: int = Field(description="Steps of theirs, running ones included")
    log_records: int = Field(description="Log records of these steps")
    size_bytes: int = Field(description="Size of the rows of steps and log records, without indexes")
