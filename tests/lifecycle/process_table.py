"""Looks at the system's processes, to prove that none is left; reads ``/proc``, so Linux alone."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

MARK = "STEPWELL_TEST_MARK"
"""Environment variable that our processes inherit from the one a test started."""
POLL_S = 0.02

_Value = TypeVar("_Value")

needs_process_table = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc of Linux")


def until(condition: Callable[[], _Value], what: str, timeout_s: float = 20.0) -> _Value:
    """Poll ``condition`` until it gives something true, and return that."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if found := condition():
            return found
        time.sleep(POLL_S)
    pytest.fail(f"not within {timeout_s} s: {what}")


def marked(mark: str) -> set[int]:
    """Processes that were started, directly or not, with this mark in their environment."""
    wanted = f"{MARK}={mark}".encode()
    return {pid for pid in _pids() if wanted in _read(pid, "environ").split(b"\0")}


def family(pid: int) -> set[int]:
    """The process and all its descendants."""
    parents = {child: _parent(child) for child in _pids()}
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return found


def children(pid: int) -> dict[str, int]:
    """The direct children of a supervisor by what they are: ``receiver``, ``worker``, ``api``, ``postgres``."""
    return {_role(child): child for child in _pids() if _parent(child) == pid}


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that still run; a zombie does not."""
    return {pid for pid in pids if _state(pid) not in ("", "Z")}


def answers(database_url: str) -> bool:
    """Whether the database accepts a connection."""
    try:
        psycopg.connect(database_url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _role(pid: int) -> str:
    words = _read(pid, "cmdline").decode(errors="replace").split("\0")
    if "stepwell_api.cli" in words:
        return words[words.index("stepwell_api.cli") + 1]
    return Path(words[0]).name


def _state(pid: int) -> str:
    return _stat(pid)[0]


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _stat(pid: int) -> tuple[str, str]:
    """State and parent; the program's name before them may hold anything, so cut after its last bracket."""
    fields = _read(pid, "stat").rpartition(b")")[2].decode().split()
    return (fields[0], fields[1]) if fields else ("", "0")


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
