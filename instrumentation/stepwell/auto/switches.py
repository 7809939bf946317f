"""Switches on the telemetry that frameworks bring along, each once its framework is imported.

The frameworks are none of our dependencies, so that they are imported by name.
"""

import os
from importlib import import_module
from importlib.util import find_spec

from opentelemetry import trace


def instrument_pydantic_ai() -> None:
    """All agents that say nothing else."""
    import_module("pydantic_ai").Agent.instrument_all()


def instrument_agent_framework() -> None:
    """With prompts and answers, unless its own variable says otherwise."""
    observability = import_module("agent_framework.observability")
    is_said = "ENABLE_SENSITIVE_DATA" in os.environ
    observability.enable_instrumentation(enable_sensitive_data=None if is_said else True)


def instrument_haystack() -> None:
    """With prompts and answers; the tracer moved into a package of its own with version 3."""
    tracing = import_module("haystack.tracing")
    moved = "haystack_integrations.tracing.opentelemetry"
    is_moved = find_spec("haystack_integrations") is not None and find_spec(moved) is not None
    module = import_module(moved if is_moved else "haystack.tracing.opentelemetry")
    tracing.enable_tracing(module.OpenTelemetryTracer(trace.get_tracer("haystack")))
    if "HAYSTACK_CONTENT_TRACING_ENABLED" not in os.environ:
        tracing.tracer.is_content_tracing_enabled = True
