"""What the supervisor knows of a part, whatever kind of process it is."""

from typing import Protocol

from stepwell_api.failures import CommandError


class StartError(CommandError):
    """A part did not start; the message tells the mend where it is known."""


class Part(Protocol):
    """Something that runs, can end by itself, and can be started again."""

    @property
    def name(self) -> str:
        """As it is called in logs."""

    async def start(self) -> None:
        """Return once it answers.

        Raises:
            CommandError, StorageError: it did not start; nothing of it is left running.
        """

    async def ended(self) -> str:
        """Wait until a started part ends by itself, and say how."""

    async def stop(self) -> None:
        """Let it finish what it accepted, and return when it has ended; at once when it does not run."""

    async def kill(self) -> None:
        """End it without waiting for its work; may be called while `stop` waits."""


def ending(exit_code: int) -> str:
    """How a process ended, from its exit code as Python gives it."""
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
