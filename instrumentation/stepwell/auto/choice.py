"""Picks exactly one instrumentation for each framework: two tell every call twice.

Pure: what is installed goes in, what is to be switched on and what is missing comes out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from stepwell.auto.frameworks import FRAMEWORKS, Framework, Instrumentation
from stepwell.auto.installation import Instrumentor, normalised

ALL = "*"
"""In ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS``: none is to be switched on."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A framework that is installed, and what reports it."""

    framework: Framework
    version: str
    instrumentation: Instrumentation
    package_version: str | None
    """None where the framework reports itself without another package."""
    instrumentors: tuple[Instrumentor, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """A framework that is installed, but nothing that reports it."""

    framework: Framework
    version: str
    package: str | None
    """The distribution to install; None where none is known for this version."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a process switches on."""

    chosen: tuple[Chosen, ...]
    missing: tuple[Missing, ...]
    disabled: tuple[Framework, ...]
    """Frameworks that are installed, and switched off by name."""
    others: tuple[Instrumentor, ...]
    """Instrumentors of what is no agent framework: web servers, clients, databases."""


def planned(versions: Mapping[str, str], offered: Sequence[Instrumentor], disabled: Collection[str]) -> Plan:
    """The plan for an environment.

    `versions` are the installed distributions, as far as the table names any; `disabled` are names of instrumentors, as
    their entry points and OpenTelemetry's own variable have them.
    """
    chosen: list[Chosen] = []
    missing: list[Missing] = []
    off: list[Framework] = []
    for framework in FRAMEWORKS:
        version = next((versions[name] for name in framework.distributions if name in versions), None)
        if version is None:
            continue
        if _is_disabled(framework, disabled):
            off.append(framework)
            continue
        outcome = _choice(framework, version, versions, offered)
        if isinstance(outcome, Chosen):
            chosen.append(outcome)
        else:
            missing.append(outcome)
    return Plan(tuple(chosen), tuple(missing), tuple(off), tuple(_others(offered, disabled)))


def packages() -> frozenset[str]:
    """All distributions that the table names: frameworks and instrumentations."""
    named = (i.package for framework in FRAMEWORKS for i in framework.instrumentations)
    return frozenset((*_framework_distributions(), *(package for package in named if package)))


def _framework_distributions() -> frozenset[str]:
    return frozenset(name for framework in FRAMEWORKS for name in framework.distributions)


def _is_disabled(framework: Framework, disabled: Collection[str]) -> bool:
    """By the entry points' names for it, in any spelling."""
    names = {framework.module, framework.module.partition(".")[0], *framework.distributions}
    names |= {i.package.partition("-instrumentation-")[2] for i in framework.instrumentations if i.package}
    return ALL in disabled or not {normalised(n) for n in names if n}.isdisjoint(map(normalised, disabled))


def _choice(
    framework: Framework, version: str, versions: Mapping[str, str], offered: Sequence[Instrumentor]
) -> Chosen | Missing:
    fitting = [i for i in framework.instrumentations if i.fits(version)]
    for instrumentation in fitting:
        if instrumentation.package is None:
            return Chosen(framework, version, instrumentation, None, ())
        if instrumentation.package in versions:
            own = tuple(o for o in offered if o.package == instrumentation.package)
            return Chosen(framework, version, instrumentation, versions[instrumentation.package], own)
    unknown = _unknown(framework, offered)
    if unknown is not None:
        return Chosen(framework, version, Instrumentation(unknown.package, unknown.package), None, (unknown,))
    return Missing(framework, version, fitting[0].package if fitting else None)


def _unknown(framework: Framework, offered: Iterable[Instrumentor]) -> Instrumentor | None:
    """An instrumentor that the table does not know, for a framework that has no other."""
    known = packages()
    return next(
        (o for o in offered if o.package not in known and o.targets.intersection(framework.distributions)), None
    )


def _others(offered: Iterable[Instrumentor], disabled: Collection[str]) -> Iterable[Instrumentor]:
    """Those that are for no framework of the table, the first of each that are for the same."""
    known, frameworks = packages(), _framework_distributions()
    taken: set[frozenset[str]] = set()
    for instrumentor in offered:
        is_for_framework = instrumentor.package in known or instrumentor.targets & frameworks
        if is_for_framework or ALL in disabled or instrumentor.entry.name in disabled:
            continue
        if instrumentor.targets not in taken or not instrumentor.targets:
            taken.add(instrumentor.targets)
            yield instrumentor
