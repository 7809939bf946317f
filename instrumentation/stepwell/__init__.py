"""Stepwell's client library: an agent reports itself, live, and is never harmed by it.

`configure` says where to; `agent` and `step` say what runs; what only the agent knows (`checkpoint`, `credits`,
`trigger`, `usage`) is said of the step at hand. It depends on the OpenTelemetry SDK alone; receiver, storage and API
live in the packages beside it and come with the ``server`` extra.
"""

from typing import TYPE_CHECKING, Any

from stepwell.configuration import Client, configure, flush, shutdown
from stepwell.context import extract, inject
from stepwell.declaring import agent, decision, loop, step
from stepwell.notices import counts
from stepwell.plan import Retries
from stepwell.saying import checkpoint, credits, trigger, usage  # noqa: A004
from stepwell.steps import Step
from stepwell.steps import current as current_step
from stepwell.threads import carry

if TYPE_CHECKING:
    __version__: str

__all__ = [
    "Client",
    "Retries",
    "Step",
    "__version__",
    "agent",
    "carry",
    "checkpoint",
    "configure",
    "counts",
    "credits",
    "current_step",
    "decision",
    "extract",
    "flush",
    "inject",
    "loop",
    "shutdown",
    "step",
    "trigger",
    "usage",
]


def __getattr__(name: str) -> Any:
    """The version, which takes longer to find than everything else."""
    if name == "__version__":
        from importlib.metadata import version

        return version("stepwell")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
