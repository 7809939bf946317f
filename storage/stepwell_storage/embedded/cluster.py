"""PostgreSQL's folder on disk: created whole or not at all, and reached even where its user may not go.

Layout of a data folder: ``stepwell.lock``, ``postgres.log``, and ``postgres/``, the cluster, which alone belongs to
the user PostgreSQL runs as.
"""

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stepwell_storage.embedded.account import Account, give
from stepwell_storage.embedded.binaries import launch_command, major_version
from stepwell_storage.embedded.errors import DataFolderError, EmbeddedPostgresError

CLUSTER_NAME = "postgres"
UNFINISHED_NAME = "postgres.unfinished"
SUPERUSER = "stepwell"
SOCKET_FOLDER_BYTES_MAX = 80
"""Socket addresses hold 104 bytes (macOS) or 108 (Linux), and the socket's own name takes 14 of them."""


@contextmanager
def reachable(cluster_dir: Path, account: Account | None) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A path by which ``account`` reaches the cluster, and the file descriptors that it has to inherit.

    Under another user the parents of the folder may be closed (``/root``, a home, a private temp folder). An open
    descriptor of the folder itself needs no way through them, so nobody's permissions have to be widened.
    """
    if account is None or sys.platform != "linux":
        yield str(cluster_dir), ()
        return
    fd = os.open(cluster_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}", (fd,)
    finally:
        os.close(fd)


def environment() -> dict[str, str]:
    """What PostgreSQL's programs see: ours without the variables that would steer them elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def ensure_cluster(data_dir: Path, bin_dir: Path, account: Account | None, *, fsync: bool) -> Path:
    """The cluster of ``data_dir``, created when there is none.

    Raises:
        DataFolderError: it belongs to another major version, is damaged, or cannot be created.
    """
    cluster_dir = data_dir / CLUSTER_NAME
    if cluster_dir.exists():
        _check_version(cluster_dir)
        return cluster_dir
    unfinished = data_dir / UNFINISHED_NAME
    try:
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        give(unfinished, account)
        _initdb(unfinished, bin_dir, account, fsync=fsync)
        unfinished.rename(cluster_dir)
    except OSError as error:
        raise DataFolderError.not_writable(data_dir, error) from error
    return cluster_dir


def _check_version(cluster_dir: Path) -> None:
    try:
        found = (cluster_dir / "PG_VERSION").read_text().strip()
    except FileNotFoundError as error:
        raise DataFolderError(
            f"{cluster_dir} is damaged or no PostgreSQL folder (PG_VERSION is missing); "
            "restore it from a backup, or choose another folder with --data-dir"
        ) from error
    except OSError as error:
        raise DataFolderError.not_writable(cluster_dir, error) from error
    if found != str(major_version()):
        raise DataFolderError(
            f"{cluster_dir} was written by PostgreSQL {found}, this installation brings {major_version()}; "
            f"install the Stepwell version that wrote it, dump and restore its data, or choose another --data-dir"
        )


def _initdb(folder: Path, bin_dir: Path, account: Account | None, *, fsync: bool) -> None:
    options = ["--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8", "--no-instructions"]
    options += ["--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    if not fsync:
        options.append("--no-sync")
    with reachable(folder, account) as (path, fds):
        command = [str(bin_dir / "initdb"), "--pgdata", path, *options]
        done = subprocess.run(
            launch_command(command, account=account, death_signal=signal.SIGKILL),
            cwd="/",
            env=environment(),
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise EmbeddedPostgresError(explain(done.stderr or done.stdout, folder, f"exit code {done.returncode}"))


def explain(output: str, folder: Path, outcome: str) -> str:
    """One message from the last lines PostgreSQL wrote, led by the mend where the cause is known."""
    tail = " | ".join(line.strip() for line in output.strip().splitlines()[-5:]) or outcome
    if "No space left on device" in output or "Check free disk space" in output:
        return f"the disk of the data folder {folder.parent} is full; free space and start again. PostgreSQL: {tail}"
    if "could not look up effective user ID" in output:
        return (
            f"PostgreSQL runs only as a user with a name, and user id {os.geteuid()} has none on this machine; "
            "add it to /etc/passwd, or give a database with --database-url"
        )
    if "Permission denied" in output or "Read-only file system" in output:
        return f"PostgreSQL cannot write to {folder}; check its owner and permissions. PostgreSQL: {tail}"
    return f"PostgreSQL does not start in {folder} ({outcome}): {tail}"


def ensure_socket_dir(cluster_dir: Path, account: Account | None) -> Path:
    """A private folder with a short path for the socket, the same one for every start of this cluster.

    Raises:
        EmbeddedPostgresError: the folder belongs to someone else, or there is nowhere to put it.
    """
    uid = account.uid if account else os.geteuid()
    folder = _socket_base() / f"stepwell-{_fingerprint(cluster_dir)}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, os.geteuid()):
            raise EmbeddedPostgresError(
                f"{folder} belongs to another user; remove it, or set TMPDIR to a private folder"
            )
        folder.chmod(0o700)
        give(folder, account)
    except OSError as error:
        raise EmbeddedPostgresError(f"cannot create the socket folder {folder}: {error.strerror}") from error
    return folder


def _socket_base() -> Path:
    """``/run`` for root, where nobody else can write; else the temp folder, where its path is short enough."""
    if os.geteuid() == 0 and os.access("/run", os.W_OK):
        return Path("/run")
    base = Path(tempfile.gettempdir()).resolve()
    name_bytes = len("stepwell-") + 16
    return base if len(os.fsencode(base)) + name_bytes < SOCKET_FOLDER_BYTES_MAX else Path("/tmp")  # noqa: S108


def _fingerprint(cluster_dir: Path) -> str:
    """Differs between folders, also between containers that share a temp folder and see the same path."""
    found = cluster_dir.stat()
    identity = f"{cluster_dir.resolve()}:{found.st_dev}:{found.st_ino}"
    return hashlib.sha256(identity.encode()).hexdigest()[:16]
