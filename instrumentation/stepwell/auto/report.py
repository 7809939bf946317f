"""Says in words what is switched on, what is missing, and how to get it."""

from collections.abc import Iterator, Sequence

from stepwell.auto.choice import Chosen, Missing, Plan
from stepwell.auto.frameworks import Framework

_HEAD = ("framework", "version", "instrumentation", "to install")


def told(plan: Plan) -> Iterator[str]:
    """A few lines: agent frameworks and model SDKs that are reported, those that are not, and the line to install."""
    chosen = [_of(c) for c in plan.chosen]
    yield f"instrumented: {', '.join(chosen)}" if chosen else "no agent framework is installed that it knows"
    if plan.others:
        yield f"and beside it: {', '.join(dict.fromkeys(other.entry.name for other in plan.others))}"
    missing = [*_missed(plan)]
    known = [m for m in missing if m.package]
    if known:
        yield f"not instrumented: {_names(known)}; run: {install_line(known)}"
    if len(known) < len(missing):
        yield f"not instrumented: {_names([m for m in missing if not m.package])}; nothing is known for this version"


def _missed(plan: Plan) -> Iterator[Missing]:
    """Frameworks, and without any the model SDKs: most are only installed because a framework needs them."""
    frameworks = [*(c.framework for c in plan.chosen), *(m.framework for m in plan.missing)]
    has_agents = any(framework.kind == "agents" for framework in frameworks)
    return (m for m in plan.missing if m.framework.kind == ("agents" if has_agents else "model"))


def _names(missing: Sequence[Missing]) -> str:
    return ", ".join(f"{m.framework.name} {m.version}" for m in missing)


def install_line(missing: Sequence[Missing]) -> str:
    """The command that installs what is missing."""
    return "pip install " + " ".join(dict.fromkeys(m.package for m in missing if m.package))


def _of(chosen: Chosen) -> str:
    return f"{chosen.framework.name} {chosen.version} ({_instrumentation(chosen)})"


def _instrumentation(chosen: Chosen) -> str:
    source = chosen.instrumentation.source
    return f"{source} {chosen.package_version}" if chosen.package_version else source


def table(plan: Plan) -> list[str]:
    """One line for each framework that is installed, below a head."""
    rows = [_HEAD, *sorted(_rows(plan))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return [*lines]


def _rows(plan: Plan) -> Iterator[tuple[str, str, str, str]]:
    for chosen in plan.chosen:
        yield chosen.framework.name, chosen.version, _instrumentation(chosen), ""
    for missing in plan.missing:
        yield (
            missing.framework.name,
            missing.version,
            "none",
            f"pip install {missing.package}" if missing.package else "",
        )
    for framework in plan.disabled:
        yield framework.name, "", "switched off", ""
    for other in plan.others:
        yield other.entry.name, "", other.package, ""


def documented(frameworks: Sequence[Framework]) -> list[tuple[str, str, str]]:
    """The table as users read it: framework, instrumentations in order of preference, why."""
    return [(f.name, _preferences(f), f.reason) for f in frameworks]


def _preferences(framework: Framework) -> str:
    return ", else ".join(
        dict.fromkeys(f"{i.source} (`{i.package}`)" if i.package else i.source for i in framework.instrumentations)
    )
