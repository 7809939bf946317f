"""One starter for each data folder.

The lock is held by the kernel for the life of the process (``flock``), so nothing stale is left after ``kill -9``.
"""

import fcntl
import os
from pathlib import Path

from stepwell_storage.embedded.errors import DataFolderError, DataFolderInUseError

LOCK_NAME = "stepwell.lock"


class FolderLock:
    """Exclusive hold on a data folder, which is created when it is missing."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._fd: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def acquire(self) -> None:
        """Take the lock at once or not at all; does nothing when this object holds it.

        Raises:
            DataFolderInUseError: another process holds it; the message names its pid.
            DataFolderError: the folder cannot be created or written to.
        """
        if self._fd is not None:
            return
        path = self.data_dir / LOCK_NAME
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataFolderError.not_writable(self.data_dir, error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())
        except BlockingIOError as error:
            holder = os.read(fd, 32).strip()
            os.close(fd)
            raise DataFolderInUseError(self.data_dir, int(holder) if holder.isdigit() else None) from error
        except OSError as error:
            os.close(fd)
            raise DataFolderError.not_writable(self.data_dir, error) from error
        self._fd = fd

    def release(self) -> None:
        """Give the folder free; does nothing when it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
