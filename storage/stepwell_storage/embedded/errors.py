"""What can go wrong around the embedded PostgreSQL; every message tells the mend, for it is shown as it is."""

from pathlib import Path

from stepwell_storage.errors import StorageError


class EmbeddedPostgresError(StorageError):
    """The embedded PostgreSQL does not start or does not answer."""


class DataFolderError(EmbeddedPostgresError):
    """The data folder cannot be used as it is."""

    @classmethod
    def not_writable(cls, folder: Path, error: OSError) -> "DataFolderError":
        """For an ``OSError`` met while creating or opening something in ``folder``."""
        reason = error.strerror or str(error)
        return cls(
            f"cannot write to the data folder {folder}: {reason}; "
            "choose another one with --data-dir (or STEPWELL_DATA_DIR), or make it writable for this user"
        )


class DataFolderInUseError(DataFolderError):
    """Another process holds the data folder."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        owner = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"the data folder {folder} is in use by {owner}; stop it first, or choose another folder with --data-dir"
        )
        self.pid = pid
