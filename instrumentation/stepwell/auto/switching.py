"""Switches on what was chosen, each when the program imports its framework, and Stepwell's exporter with the first."""

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING

from stepwell.auto.choice import Chosen, Plan
from stepwell.auto.hooks import ImportHooks
from stepwell.auto.installation import Instrumentor, modules_of

if TYPE_CHECKING:
    from stepwell.auto.program import Instrumentations

TRACING_API = "opentelemetry.trace"
"""What everything that reports spans imports, frameworks that report themselves included."""
INSTRUMENTORS = "opentelemetry.instrumentation.instrumentor"
"""The module of the class that all instrumentors have as their base."""


class Begun:
    """Makes the tracer provider and what switches instrumentors on, when somebody first needs them.

    Other threads wait until that is done; what it imports itself may ask again, and gets None.
    """

    def __init__(self, begin: "Callable[[], Instrumentations | None]") -> None:
        self._begin = begin
        self._lock = RLock()
        self._is_called = False
        self._made: Instrumentations | None = None

    def __call__(self) -> "Instrumentations | None":
        with self._lock:
            if not self._is_called:
                self._is_called = True
                self._made = self._begin()
            return self._made


def arm(plan: Plan, hooks: ImportHooks, begun: Begun) -> None:
    """Has everything that was chosen switched on in its time."""
    hooks.after(TRACING_API, begun)
    hooks.after(INSTRUMENTORS, lambda: _watch(begun))
    for chosen in plan.chosen:
        module = chosen.framework.module
        hooks.before(module, lambda chosen=chosen: _prepare(chosen))  # type: ignore[misc]
        hooks.after(module, lambda chosen=chosen: _switch_on(chosen, begun))  # type: ignore[misc]
    for other in plan.others:
        for module in _modules_of_targets(other.targets) or [other.entry.name]:
            hooks.after(module, lambda other=other: _instrument_with((other,), begun))  # type: ignore[misc]


def _modules_of_targets(targets: Iterable[str]) -> list[str]:
    return sorted({module for target in targets for module in modules_of(target)})


def _watch(begun: Begun) -> None:
    instrumentations = begun()
    if instrumentations is not None:
        instrumentations.watch()


def _prepare(chosen: Chosen) -> None:
    for name, value in chosen.instrumentation.environment.items():
        os.environ.setdefault(name, value)


def _switch_on(chosen: Chosen, begun: Begun) -> None:
    begun()
    switch = chosen.instrumentation.switch
    if switch is not None:
        module, _, name = switch.partition(":")
        getattr(import_module(module), name)()
    _instrument_with(chosen.instrumentors, begun)


def _instrument_with(instrumentors: Iterable[Instrumentor], begun: Begun) -> None:
    instrumentations = begun()
    for instrumentor in instrumentors:
        if instrumentations is not None:
            instrumentations.switch_on(instrumentor)
