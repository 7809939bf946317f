"""The columns of exports, the same in every format."""

from enum import StrEnum
from typing import Final, NamedTuple


class ColumnKind(StrEnum):
    """What a column holds; any value may be unknown."""

    TEXT = "text"
    JSON = "json"
    """JSON as text; in JSON Lines the value itself."""
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"


class Column(NamedTuple):
    """Name and kind."""

    name: str
    kind: ColumnKind


def _columns(told: str) -> tuple[Column, ...]:
    """From ``name:kind`` words; text where no kind is given."""
    pairs = [word.partition(":") for word in told.split()]
    return tuple(Column(name, ColumnKind(kind or "text")) for name, _, kind in pairs)


EXECUTIONS: Final = _columns(
    "id execution_id trace_id root_span_id parent_execution_id agent_id agent_name workspace_id user_id session_id "
    "trigger_type trigger_source:json start_time:time end_time:time duration_ms:number last_activity_at:time status "
    "error_type error_message error_step_name error_fingerprint credits_consumed:number tokens_used:json "
    "prompt_tokens:integer completion_tokens:integer cost_usd:number api_calls_count:integer memory_usage_mb:number "
    "steps_total:integer steps_completed:integer path environment runtime_mode version service_name framework "
    "models:json input_data:json output_data:json checkpoints:json created_at:time updated_at:time"
)
STEPS: Final = _columns(
    "execution_id agent_id step_index:integer trace_id span_id parent_span_id depth:integer attempt:integer "
    "step_name step_type operation status name start_time:time end_time:time duration_ms:number "
    "self_duration_ms:number critical_path:boolean duplicate_of:integer counts_tokens:boolean error_type error_message "
    "agent_name model provider prompt_tokens:integer completion_tokens:integer cost_usd:number credits:number "
    "input:json output:json error:json attributes:json"
)
