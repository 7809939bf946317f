"""Microsoft Agent Framework's workflow spans, which name no operation (scope ``agent_framework``).

Its agents, model and tool calls follow OpenTelemetry's conventions, which `genai` reads first.
"""

from collections.abc import Mapping
from typing import Final

from stepwell_receiver.dialects.base import CHAIN, FUNCTION, WORKFLOW, Dialect, Keys, Kind
from stepwell_receiver.wire import Scope, Span

_SCOPES: Final = ("agent_framework", "agent-framework")

FIELDS: Final[Mapping[str, Keys]] = {"workflow_name": ("workflow.name",)}


def kind(span: Span, scope: Scope) -> Kind | None:
    """A workflow's run and its executors; building a workflow and passing messages are plain work."""
    if scope.name not in _SCOPES or "gen_ai.operation.name" in span.attributes:
        return None
    if span.name.startswith(("workflow.run", "workflow_invoke", "workflow.invoke")):
        return WORKFLOW
    return CHAIN if span.name.startswith("executor.process") else FUNCTION


DIALECT: Final = Dialect(
    name="agent_framework", kind=kind, scopes=("agent_framework", "agent-framework"), fields=FIELDS
)
