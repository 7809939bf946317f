"""Attribute and event names of ours, on the wire and in code.

Every name that Stepwell adds to OpenTelemetry's conventions stands here once; the standard ones are
OpenTelemetry's own (``gen_ai.*``, ``service.*``, ``deployment.environment.name``, ``user.id``, ``session.id``).
"""

from typing import Final

INPUT: Final = "stepwell.input"
"""JSON: what the span was given."""

OUTPUT: Final = "stepwell.output"
"""JSON: what the span returned."""

TOOL_INPUT: Final = "gen_ai.tool.call.arguments"
"""OpenTelemetry's name for a tool's input; of a tool's step only this one is written, for each text is sent as often as
it is written."""

TOOL_OUTPUT: Final = "gen_ai.tool.call.result"
"""OpenTelemetry's name for a tool's output, likewise."""

STEP_TYPE: Final = "stepwell.step.type"
"""``api_call``, ``action``, ``decision`` or ``loop``."""

CREDITS: Final = "stepwell.credits"
"""Number: credits that this span consumed."""

TRIGGER_TYPE: Final = "stepwell.trigger.type"
"""``manual``, ``scheduled``, ``webhook`` or ``api``."""

TRIGGER_SOURCE: Final = "stepwell.trigger.source"
"""JSON or text: who or what started the run."""

RECOVERY_OF: Final = "stepwell.recovery.of"
"""The id of the execution, or of its trace, that this run recovers."""

RECOVERY_ID: Final = "stepwell.recovery.id"
"""The id of the recovery that asked for this run, as the webhook was told it."""

RUNTIME_MODE: Final = "stepwell.runtime_mode"
"""``default``, ``fast`` or the agent's own word."""

MEMORY_MB: Final = "stepwell.memory_mb"
"""Number: peak resident memory of the run, in MB."""

SPAN_STATE: Final = "stepwell.span.state"
"""``started`` on a live span: one that is sent when it starts and again when it has ended."""

SPAN_STATE_STARTED: Final = "started"

SPAN_SEEN_NS: Final = "stepwell.span.seen_ns"
"""Number: when a live span was sent again because its work goes on, in nanoseconds since 1970."""

CHECKPOINT_EVENT: Final = "stepwell.checkpoint"
"""Name of the span event that carries a checkpoint."""

CHECKPOINT_ID: Final = "stepwell.checkpoint.id"
CHECKPOINT_STATE: Final = "stepwell.checkpoint.state"
"""JSON: the state to resume from."""

CPU_MS: Final = "stepwell.cpu_ms"
"""Number: CPU time that the process used during the run, in milliseconds."""

HTTP_CALLS: Final = "stepwell.http_calls"
"""Number: HTTP requests that were sent during the run."""

MODEL_CALLS: Final = "stepwell.model_calls"
"""Number: model calls in the run's process."""

ATTEMPT: Final = "stepwell.attempt"
"""Number: which attempt of a step that is tried again after a failure; 1 for the first."""

CLOSED_EARLY: Final = "stepwell.closed_early"
"""``True`` on a step that gives one value after the other, and of which not all were taken."""
