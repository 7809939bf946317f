"""Attribute and event names of ours, on the wire and in code.

Every name that Stepwell adds to OpenTelemetry's conventions stands here once; the standard ones are
OpenTelemetry's own (``gen_ai.*``, ``service.*``, ``deployment.environment.name``, ``user.id``, ``session.id``).
"""

from typing import Final

INPUT: Final = "stepwell.input"
"""JSON: what the span was given."""

OUTPUT: Final = "stepwell.output"
"""JSON: what the span returned."""

STEP_TYPE: Final = "stepwell.step.type"
"""``api_call``, ``action``, ``decision`` or ``loop``."""

CREDITS: Final = "stepwell.credits"
"""Number: credits that this span consumed."""

TRIGGER_TYPE: Final = "stepwell.trigger.type"
"""``manual``, ``scheduled``, ``webhook`` or ``api``."""

TRIGGER_SOURCE: Final = "stepwell.trigger.source"
"""JSON or text: who or what started the run."""

RUNTIME_MODE: Final = "stepwell.runtime_mode"
"""``default``, ``fast`` or the agent's own word."""

MEMORY_MB: Final = "stepwell.memory_mb"
"""Number: peak resident memory of the run, in MB."""

SPAN_STATE: Final = "stepwell.span.state"
"""``started`` on a live span: one that is sent when it starts and again when it has ended."""

SPAN_STATE_STARTED: Final = "started"

CHECKPOINT_EVENT: Final = "stepwell.checkpoint"
"""Name of the span event that carries a checkpoint."""

CHECKPOINT_ID: Final = "stepwell.checkpoint.id"
CHECKPOINT_STATE: Final = "stepwell.checkpoint.state"
"""JSON: the state to resume from."""
