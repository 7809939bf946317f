"""CPU time and memory of a process and all below it, by what they are; reads ``/proc``, so Linux alone."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_COMMAND: Final = "stepwell_api.cli"
_SUPERVISOR: Final = "up"


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes of one kind used since they started."""

    cpu_s: float
    """Children that have ended among them."""
    peak_mb: float
    """Resident memory of the largest of them at its largest."""


def usage(root_pid: int) -> Mapping[str, Usage]:
    """By ``supervisor``, ``receiver``, ``worker``, ``api`` and ``postgres`` for a ``stepwell up``; any other program's
    processes are all ``other``.
    """
    stats = {int(entry.name): stat for entry in Path("/proc").glob("[0-9]*") if (stat := _stat(entry))}
    family = {root_pid}
    while grown := {pid for pid, stat in stats.items() if int(stat[1]) in family} - family:
        family |= grown
    cpu_s: dict[str, float] = defaultdict(float)
    peak_mb: dict[str, float] = defaultdict(float)
    for pid in family & stats.keys():
        role = _role(pid)
        cpu_s[role] += sum(map(int, stats[pid][11:15])) / _TICKS_PER_S
        peak_mb[role] = max(peak_mb[role], _peak_mb(pid))
    return {role: Usage(cpu_s[role], peak_mb[role]) for role in sorted(cpu_s)}


def used_us_per_span(before: Mapping[str, Usage], after: Mapping[str, Usage], spans: int) -> dict[str, float]:
    """CPU microseconds of each kind between the two for each span."""
    nothing = Usage(0.0, 0.0)
    return {role: (told.cpu_s - before.get(role, nothing).cpu_s) * 1e6 / spans for role, told in after.items()}


def _stat(entry: Path) -> list[str]:
    """The fields after the program's name, which may hold anything; none where the process has just ended."""
    try:
        return (entry / "stat").read_bytes().rpartition(b")")[2].decode().split()
    except OSError:
        return []


def _role(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "ended"
    if _COMMAND in words:
        part = words[words.index(_COMMAND) + 1]
        return "supervisor" if part == _SUPERVISOR else part
    return "postgres" if words[0].rpartition("/")[2].startswith("postgres") else "other"


def _peak_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
