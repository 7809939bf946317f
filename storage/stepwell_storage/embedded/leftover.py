"""A PostgreSQL that an earlier, killed starter left behind: it is given the time to go, and its traces are judged."""

import os
import sys
import time
from pathlib import Path

from stepwell_storage.embedded.errors import EmbeddedPostgresError

PID_FILE = "postmaster.pid"
LEFTOVER_SIGNS = ('lock file "postmaster.pid" already exists', "pre-existing shared memory block", 'lock file "/')
"""What PostgreSQL says when processes of an earlier start are not gone yet; worth another try."""
POLL_S = 0.02


def wait_for_leftover(cluster_dir: Path, deadline_s: float) -> None:
    """Return once no earlier PostgreSQL runs on ``cluster_dir``; ``deadline_s`` is on the monotonic clock.

    The caller holds the folder's lock, so what runs was started by a process that is gone.

    Raises:
        EmbeddedPostgresError: one still runs at the deadline; the message names its pid.
    """
    while (pid := _pid_in(cluster_dir)) is not None and _runs(pid):
        if not _is_postgres(pid):
            # The number was given to some other program; PostgreSQL would take that for its own and refuse to start.
            (cluster_dir / PID_FILE).unlink(missing_ok=True)
            return
        if time.monotonic() > deadline_s:
            raise EmbeddedPostgresError(
                f"a PostgreSQL of an earlier start (process {pid}) still runs on {cluster_dir}; "
                f"wait for it to end, or end it with: kill -QUIT {pid}"
            )
        time.sleep(POLL_S)


def _pid_in(cluster_dir: Path) -> int | None:
    try:
        first_line = (cluster_dir / PID_FILE).read_text().split("\n", 1)[0].strip()
    except FileNotFoundError:
        return None
    return int(first_line) if first_line.isdigit() else None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_postgres(pid: int) -> bool:
    if sys.platform != "linux":
        return True
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
    except OSError:
        return False
