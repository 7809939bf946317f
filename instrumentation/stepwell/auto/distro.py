"""The same through ``opentelemetry-instrument``: its entry points for distributions and configurators.

Needs the package ``opentelemetry-instrumentation``, which whoever calls that command has.
"""

from importlib.metadata import EntryPoint
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # it has no types

from stepwell.auto.start import start


class StepwellDistro(BaseDistro):  # type: ignore[misc]
    """Has `start` decide what is switched on, and when."""

    def _configure(self, **_: Any) -> None:
        start()

    def load_instrumentor(self, entry_point: EntryPoint, **_: Any) -> None:
        """Does nothing: what is chosen comes on when the program imports its framework."""


class StepwellConfigurator:
    """Nothing to do: the tracer provider is made with the first instrumentation that needs it."""

    def configure(self, **_: Any) -> None:
        """Called by OpenTelemetry before the instrumentors are."""
        start()
