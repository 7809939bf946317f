"""What is installed, read from the metadata of distributions; nothing of it is imported."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, entry_points

GROUP = "opentelemetry_instrumentor"
"""The entry points by which a distribution offers its instrumentors to OpenTelemetry."""
_TARGET = re.compile(r"\s*([A-Za-z0-9._-]+).*;.*extra\s*==\s*['\"]instruments(?:-any)?['\"]")


@dataclass(frozen=True, slots=True)
class Instrumentor:
    """An instrumentor that some distribution offers."""

    entry: EntryPoint
    package: str
    targets: frozenset[str]
    """The distributions that it instruments, as far as its own says so."""


def normalised(name: str) -> str:
    """A distribution's name as all its spellings are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def version_of(name: str) -> str | None:
    """The version of a distribution; None where it is not installed, or its metadata is broken."""
    try:
        # Typed as text, but a folder that an interrupted removal left behind has no version.
        found: str | None = distribution(name).metadata["Version"]
    except (PackageNotFoundError, KeyError):
        return None
    return found


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of those that are installed."""
    return {name: version for name in names if (version := version_of(name)) is not None}


def offered_instrumentors() -> list[Instrumentor]:
    """All instrumentors that are installed, in a lasting order."""
    found = [
        Instrumentor(entry, normalised(entry.dist.name), _targets(entry.dist))
        for entry in entry_points(group=GROUP)
        if entry.dist is not None
    ]
    return sorted(found, key=lambda instrumentor: (instrumentor.package, instrumentor.entry.name))


def _targets(dist: Distribution) -> frozenset[str]:
    """From the extra ``instruments``, in which instrumentors name what they are for."""
    return frozenset(normalised(match[1]) for line in dist.requires or () if (match := _TARGET.match(line)))


def modules_of(name: str) -> list[str]:
    """The names that programs import of a distribution, from its list of files; empty where it has none."""
    try:
        dist = distribution(name)
    except PackageNotFoundError:
        return []
    stated = (dist.read_text("top_level.txt") or "").split()
    files = (path.parts[0].partition(".")[0] for path in dist.files or () if path.suffix == ".py")
    tops = stated or sorted({top for top in files if top.isidentifier()})
    return [top for top in tops if not top.startswith("_")]
