"""Errors of storage; the receiver's and the API's error tables say what each means on the wire."""


class StorageError(Exception):
    """Base of all errors that storage raises."""


class DatabaseUnavailableError(StorageError):
    """The database cannot be reached or refused the work for now; the same call may succeed later."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class QueueFullError(StorageError):
    """More is waiting for its commit than may be held in memory; try again after the delay."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
