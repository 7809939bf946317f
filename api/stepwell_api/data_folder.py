"""The data folder as the commands see it: where it is, who runs on it, and how to reach its database.

``stepwell up`` leaves the database's URL in ``runtime.json``, so that other commands work beside it. The file counts
only while its writer holds the folder's lock; what a killed one left is ignored.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from stepwell_api.failures import CommandError
from stepwell_storage.embedded import DataFolderInUseError, EmbeddedPostgres, FolderLock
from stepwell_storage.settings import Settings

RUNTIME_NAME = "runtime.json"
WAIT_S = 30.0
"""How long a command waits for a starting ``stepwell up``, or for another short command, to be done."""
POLL_S = 0.1


def data_dir_of(settings: Settings) -> Path:
    """The folder that was asked for, else the platform's place for a user's data."""
    return settings.data_dir or Path(platformdirs.user_data_dir("stepwell"))


def write_runtime(data_dir: Path, pid: int, database_url: str) -> None:
    """Tell other commands how to reach the database; the caller holds the folder's lock."""
    new = data_dir / f"{RUNTIME_NAME}.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps({"pid": pid, "database_url": database_url}))
    new.rename(data_dir / RUNTIME_NAME)


def remove_runtime(data_dir: Path) -> None:
    """Take it back, before the database stops."""
    (data_dir / RUNTIME_NAME).unlink(missing_ok=True)


def running_database_url(settings: Settings) -> str:
    """The database URL that was given, else that of the ``stepwell up`` that runs on the data folder.

    Raises:
        CommandError: there is neither.
    """
    if settings.database_url:
        return settings.database_url
    data_dir = data_dir_of(settings)
    lock = FolderLock(data_dir)
    if data_dir.is_dir():
        try:
            lock.acquire()
        except DataFolderInUseError as error:
            url = runtime_url(data_dir, error.pid)
            if url:
                return url
        finally:
            lock.release()
    raise CommandError(
        f"there is no database: no `stepwell up` runs on the data folder {data_dir}; start it, or give --database-url"
    )


@contextmanager
def reachable_database(settings: Settings) -> Iterator[str]:
    """URL of the database: given, of a running ``stepwell up``, or embedded and started for the time of the block.

    Raises:
        DataFolderError: another process holds the data folder and does not tell its database.
        EmbeddedPostgresError: it does not start.
    """
    if settings.database_url:
        yield settings.database_url
        return
    data_dir = data_dir_of(settings)
    server = EmbeddedPostgres(data_dir)
    deadline_s = time.monotonic() + WAIT_S
    while True:
        try:
            server.start()
        except DataFolderInUseError as error:
            url = runtime_url(data_dir, error.pid)
            if url:
                yield url
                return
            if time.monotonic() > deadline_s:
                raise
            time.sleep(POLL_S)
        else:
            break
    try:
        yield server.url
    finally:
        server.stop()


def runtime_url(data_dir: Path, holder_pid: int | None) -> str | None:
    """The URL the lock's holder wrote; ``None`` when it has not yet, or the file is an older process's."""
    try:
        content = json.loads((data_dir / RUNTIME_NAME).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return str(content["database_url"]) if content["pid"] == holder_pid else None
