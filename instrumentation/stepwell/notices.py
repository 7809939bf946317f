"""Says once what goes wrong with reporting, then counts in silence: an agent's log belongs to the agent.

Every failure of ours ends here, so that none reaches the agent's own code.
"""

import logging
from collections import Counter
from typing import Final

LOGGER: Final = logging.getLogger("stepwell")

_told: set[str] = set()
_counts: Counter[str] = Counter()


def count(reason: str, message: str, *arguments: object, by: int = 1) -> None:
    """Counts what went wrong under `reason`; the first time it is logged as a warning, afterwards at debug level."""
    _counts[reason] += by
    level = logging.DEBUG if reason in _told else logging.WARNING
    _told.add(reason)
    # Logging may be set up by the agent in ways that fail.
    try:
        LOGGER.log(level, message, *arguments)
    except Exception:
        _counts["log_failed"] += 1


def recovered(reason: str) -> None:
    """Lets the next failure of this kind be logged again."""
    _told.discard(reason)


def counts() -> dict[str, int]:
    """How often each thing went wrong in this process."""
    return dict(_counts)
