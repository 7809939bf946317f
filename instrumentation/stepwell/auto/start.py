"""What happens at the start of each Python process of an instrumented program, before its own first line."""

import logging
import os
import sys
from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING

from stepwell.auto import installation
from stepwell.auto.choice import Plan, packages, planned
from stepwell.auto.hooks import ImportHooks
from stepwell.auto.report import told
from stepwell.auto.switching import Begun, arm

if TYPE_CHECKING:
    from stepwell.auto.program import Instrumentations

TOLD = "STEPWELL_INSTRUMENT_TOLD"
"""Set once a process has told what is switched on; its children keep still."""
PROGRAM = "STEPWELL_INSTRUMENT_PROGRAM"
"""What the program is called where nobody names a service."""
DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
"""OpenTelemetry's own variable: names of instrumentations that stay off, with commas between."""

logger = logging.getLogger("stepwell")


def disabled_in(environment: Mapping[str, str]) -> list[str]:
    """The names in OpenTelemetry's variable for what stays off."""
    return [name.strip() for name in environment.get(DISABLED, "").split(",") if name.strip()]


@cache
def plan_of_environment() -> Plan:
    """The plan for what is installed for this interpreter."""
    versions = installation.installed_versions(packages())
    return planned(versions, installation.offered_instrumentors(), disabled_in(os.environ))


@cache
def start() -> None:
    """Arranges that everything is switched on in its time; says so once. Never raises, and is only done once."""
    try:
        plan = plan_of_environment()
        if TOLD not in os.environ:
            os.environ[TOLD] = "1"
            _say(told(plan))
        hooks = ImportHooks()
        sys.meta_path.insert(0, hooks)
        arm(plan, hooks, Begun(lambda: _begin(plan)))
    except Exception:
        logger.warning("nothing is instrumented", exc_info=True)


def _say(lines: Iterable[str]) -> None:
    if sys.stderr is not None:
        print(*(f"stepwell: {line}" for line in lines), sep="\n", file=sys.stderr, flush=True)


def _begin(plan: Plan) -> "Instrumentations | None":
    """The tracer provider, which exports live to Stepwell, and the rules for what would be told twice.

    None where nothing is to be reported.
    """
    from opentelemetry import trace

    import stepwell
    from stepwell.auto.program import Instrumentations, Providers
    from stepwell.auto.screening import rules_of, screen

    client = stepwell.configure(service_name=os.environ.get(PROGRAM))
    if client is None:
        return None
    providers = Providers(trace.get_tracer_provider(), client.processor, partial(screen, rules=rules_of(plan)))
    providers.watch()
    return Instrumentations(plan, providers)
