"""Who hears how a pass goes on."""

from collections.abc import Callable

Report = Callable[[str, int], None]
"""Takes a relation, and how many of its rows a transaction has deleted or emptied."""


def nobody(_: str, __: int) -> None:
    """For passes that nobody watches."""
