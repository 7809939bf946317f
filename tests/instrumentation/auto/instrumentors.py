"""Two instrumentors for one framework, as two makers have them; they only keep whether they are on."""

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]


class _Instrumentor(BaseInstrumentor):  # type: ignore[misc]
    def instrumentation_dependencies(self) -> Collection[str]:
        return []

    def _instrument(self, **arguments: Any) -> None:
        self.arguments = arguments

    def _uninstrument(self, **arguments: Any) -> None:
        self.arguments = arguments


class OpenInference(_Instrumentor):
    """Of the one that the table prefers."""

    __module__ = "openinference.instrumentation.langchain"


class OpenLLMetry(_Instrumentor):
    """Of the other."""

    __module__ = "opentelemetry.instrumentation.langchain.within"
