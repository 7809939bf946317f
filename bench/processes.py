"""CPU time of the processes of a running ``stepwell up``, by what they are; reads ``/proc``, so Linux alone."""

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_seconds(supervisor_pid: int) -> Mapping[str, float]:
    """Seconds of ``receiver``, ``worker``, ``api`` and ``postgres``, children that have ended among them."""
    parents = {int(entry.name): _stat(entry) for entry in Path("/proc").glob("[0-9]*")}
    family = {supervisor_pid}
    while grown := {pid for pid, stat in parents.items() if stat and int(stat[1]) in family} - family:
        family |= grown
    seconds: dict[str, float] = defaultdict(float)
    for pid in family - {supervisor_pid}:
        stat = parents[pid]
        seconds[_role(pid)] += sum(map(int, stat[11:15])) / _TICKS_PER_S if stat else 0.0
    return seconds


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
    return words[words.index("stepwell_api.cli") + 1] if "stepwell_api.cli" in words else "postgres"
