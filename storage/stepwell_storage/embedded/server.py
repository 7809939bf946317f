"""The life of an embedded PostgreSQL: start, wait until it answers, stop."""

import contextlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psycopg

from stepwell_storage import queries
from stepwell_storage.embedded.account import Account, account_for
from stepwell_storage.embedded.binaries import find_bin_dir
from stepwell_storage.embedded.cluster import (
    CLUSTER_NAME,
    SUPERUSER,
    ensure_cluster,
    ensure_socket_dir,
    environment,
    explain,
    reachable,
)
from stepwell_storage.embedded.errors import DataFolderError, EmbeddedPostgresError
from stepwell_storage.embedded.leftover import LEFTOVER_SIGNS, wait_for_leftover
from stepwell_storage.embedded.lock import FolderLock
from stepwell_storage.embedded.postmaster import Postmaster, log_tail

SQL = queries.load("embedded")

DATABASE = "stepwell"
MAINTENANCE_DATABASE = "postgres"
SOCKET_PORT = 5432
"""Only a part of the socket's file name; nothing listens on TCP."""
LOG_NAME = "postgres.log"
LOG_BYTES_MAX = 4 * 1024 * 1024
START_TIMEOUT_S = 120.0
"""Covers crash recovery of a full write-ahead log on a slow disk."""
LEFTOVER_TIMEOUT_S = 10.0
POLL_S = 0.05

OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(SOCKET_PORT),
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    # Checkpoints write whole pages again and again; under load they would come every ten seconds.
    "max_wal_size": "2GB",
    "wal_buffers": "16MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum_naptime": "15s",
    # A day grows all day: at 10 % every look would gather its statistics anew.
    "autovacuum_analyze_scale_factor": "0.3",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # The log is shown in error messages; statements could hold a user's data.
    "log_min_error_statement": "panic",
    "synchronous_commit": "on",
}


@dataclass(frozen=True, slots=True)
class _Setup:
    """What a start of PostgreSQL needs to be there."""

    account: Account | None
    bin_dir: Path
    cluster_dir: Path
    socket_dir: Path

    def url(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}@/{database}?host={self.socket_dir}&port={SOCKET_PORT}"


class EmbeddedPostgres:
    """One PostgreSQL on one data folder, ended with this process however that ends.

    ``start`` has to be called from a thread that lives as long as the server should: on Linux the kernel ends a
    child with the thread that started it. ``fsync=False`` is for throw-away databases of tests alone.
    """

    def __init__(self, data_dir: Path, *, fsync: bool = True, lifeline: bool = sys.platform != "linux") -> None:
        self.data_dir = data_dir.expanduser().absolute()
        self.url = ""
        """libpq URL of the database ``stepwell``; empty before the first start."""
        self._fsync = fsync
        self._lifeline = lifeline
        self._lock = FolderLock(self.data_dir)
        self._postmaster: Postmaster | None = None
        self._socket_dir: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process id of PostgreSQL's main process, ``None`` when none was started."""
        return self._postmaster.pid if self._postmaster else None

    def wait(self) -> int:
        """Block until PostgreSQL's main process ends; returns its exit code, negative for a signal."""
        assert self._postmaster is not None, "not started"
        return self._postmaster.wait()

    def is_alive(self) -> bool:
        """Whether PostgreSQL's main process runs."""
        return self._postmaster is not None and self._postmaster.exit_code is None

    def claim(self) -> None:
        """Take the data folder for this object until `stop`, without starting anything; `start` does so otherwise.

        Raises:
            DataFolderInUseError: another process holds it.
            DataFolderError: the folder cannot be created or written to.
        """
        self._lock.acquire()

    def start(self) -> str:
        """Create what is missing, start, and return the URL once the database answers; again after a death.

        Does nothing while it runs.

        Raises:
            DataFolderInUseError: another process holds the data folder.
            DataFolderError: the data folder cannot be used; the message tells the mend.
            EmbeddedPostgresError: PostgreSQL does not start; the message has the tail of its log.
        """
        if self.is_alive() and self.url:
            return self.url
        was_held = self._lock.is_held
        self._lock.acquire()
        try:
            setup = self._prepare()
            self._start_until_answering(setup)
            _ensure_database(setup)
        except BaseException:
            self.interrupt()
            if not was_held:
                self._lock.release()
            raise
        self.url = setup.url(DATABASE)
        return self.url

    def stop(self, *, hasten: bool = False) -> None:
        """Stop PostgreSQL and give the data folder free. ``hasten`` leaves the writing to the next start's recovery."""
        if self._postmaster:
            self._postmaster.stop(hasten=hasten)
        if self._socket_dir:
            with contextlib.suppress(OSError):
                self._socket_dir.rmdir()
        self._lock.release()

    def interrupt(self) -> None:
        """End what was started without waiting for its work; makes a `start` in another thread fail soon."""
        if self._postmaster:
            self._postmaster.stop(hasten=True)

    def _prepare(self) -> _Setup:
        account = account_for(self.data_dir / CLUSTER_NAME)
        bin_dir = find_bin_dir(account)
        cluster_dir = ensure_cluster(self.data_dir, bin_dir, account, fsync=self._fsync)
        self._socket_dir = ensure_socket_dir(cluster_dir, account)
        return _Setup(account, bin_dir, cluster_dir, self._socket_dir)

    def _start_until_answering(self, setup: _Setup) -> None:
        deadline_s = time.monotonic() + LEFTOVER_TIMEOUT_S
        while True:
            wait_for_leftover(setup.cluster_dir, deadline_s)
            log_start_bytes = self._launch(setup)
            assert self._postmaster is not None
            if self._postmaster.answers(setup.url(MAINTENANCE_DATABASE), START_TIMEOUT_S):
                return
            output = log_tail(self.data_dir / LOG_NAME, log_start_bytes)
            if time.monotonic() > deadline_s or not any(sign in output for sign in LEFTOVER_SIGNS):
                raise EmbeddedPostgresError(self._failure(setup, output))
            time.sleep(POLL_S)

    def _launch(self, setup: _Setup) -> int:
        """Start the main process; returns where in the log its words begin."""
        with self._open_log() as log, reachable(setup.cluster_dir, setup.account) as (path, fds):
            start_bytes = log.tell()
            if self._postmaster:
                self._postmaster.dismiss_watchdog()
            self._postmaster = Postmaster(
                [str(setup.bin_dir / "postgres"), "-D", path, "-k", str(setup.socket_dir), *self._options()],
                account=setup.account,
                environment=environment(),
                fds=fds,
                log=log,
                lifeline=self._lifeline,
            )
        return start_bytes

    def _open_log(self) -> IO[bytes]:
        path = self.data_dir / LOG_NAME
        try:
            log = path.open("ab")
            if log.tell() > LOG_BYTES_MAX:
                log.truncate(0)
        except OSError as error:
            raise DataFolderError.not_writable(self.data_dir, error) from error
        return log

    def _options(self) -> list[str]:
        options = {**OPTIONS, "fsync": "on" if self._fsync else "off"}
        return [word for name, value in options.items() for word in ("-c", f"{name}={value}")]

    def _failure(self, setup: _Setup, output: str) -> str:
        assert self._postmaster is not None
        code = self._postmaster.exit_code
        outcome = f"no answer within {START_TIMEOUT_S:.0f} s" if code is None else f"exit code {code}"
        return f"{explain(output, setup.cluster_dir, outcome)}; its log: {self.data_dir / LOG_NAME}"


def _ensure_database(setup: _Setup) -> None:
    """Create the database on the first start; the cluster is ours alone, so nobody else can be at it."""
    with psycopg.connect(setup.url(MAINTENANCE_DATABASE), autocommit=True) as connection:
        if connection.execute(SQL.find_database, {"name": DATABASE}).fetchone() is None:
            connection.execute(SQL.create_database)
