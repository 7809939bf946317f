"""Which failures of a command are told in one line instead of a traceback: those whose message tells the mend."""


class CommandError(Exception):
    """A command cannot do what it was asked; the message tells the mend."""


def told(error: BaseException) -> str | None:
    """The line to show for ``error``; ``None`` for a bug, whose traceback is worth more."""
    # Imported when something failed: a good start need not wait for Alembic.
    from stepwell_migrations.runner import MigrationError
    from stepwell_receiver.errors import ReceiverError
    from stepwell_storage.errors import StorageError

    if isinstance(error, (CommandError, MigrationError, ReceiverError, StorageError)):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return None
