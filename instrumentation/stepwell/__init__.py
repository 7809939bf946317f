"""Stepwell's client library: an agent reports itself, live, and is never harmed by it.

`configure` says where to; `agent` and `step` say what runs; what only the agent knows (`checkpoint`, `credits`,
`trigger`, `usage`) is said of the step at hand. It depends on the OpenTelemetry SDK alone; receiver, storage and API
live in the packages beside it and come with the ``server`` extra.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from stepwell.configuration import Client, configure, flush, shutdown
    from stepwell.context import extract, inject
    from stepwell.declaring import agent, decision, loop, step
    from stepwell.notices import counts
    from stepwell.plan import Retries
    from stepwell.saying import checkpoint, credits, trigger, usage  # noqa: A004
    from stepwell.steps import Step, current_step
    from stepwell.threads import carry

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


_PLACES: Final = {
    "configuration": ("Client", "configure", "flush", "shutdown"),
    "context": ("extract", "inject"),
    "declaring": ("agent", "decision", "loop", "step"),
    "notices": ("counts",),
    "plan": ("Retries",),
    "saying": ("checkpoint", "credits", "trigger", "usage"),
    "steps": ("Step", "current_step"),
    "threads": ("carry",),
}
_MODULES: Final = {name: module for module, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Looks names up when they are first used: the server's parts need `semconv` alone, and load no more."""
    if name == "__version__":
        from importlib.metadata import version

        found: Any = version("stepwell")
    elif name in _MODULES:
        found = getattr(import_module(f"stepwell.{_MODULES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    setattr(sys.modules[__name__], name, found)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
