"""How long to wait before a part is started again."""

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
HEALTHY_AFTER_S = 60.0


class Backoff:
    """Delays that double up to a limit, and begin anew after a minute of health."""

    def __init__(self) -> None:
        self._next_s = FIRST_DELAY_S

    def next_delay_s(self, ran_s: float) -> float:
        """The delay after a part that ran for ``ran_s`` has ended; 0 for one that did not start."""
        if ran_s >= HEALTHY_AFTER_S:
            self._next_s = FIRST_DELAY_S
        delay_s = self._next_s
        self._next_s = min(delay_s * 2, LONGEST_DELAY_S)
        return delay_s
