"""When senders are told to come again while the database is away."""

from stepwell_receiver.outage import FORGOTTEN_AFTER_S, Outage


class Clock:
    """Shows what it was set to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_sender_that_does_as_told_outlasts_a_minute_in_six_attempts() -> None:
    clock = Clock()
    outage = Outage(clock)
    attempts_s = []
    for _ in range(6):
        attempts_s.append(clock.now_s - 100.0)
        clock.now_s += outage.retry_after_s()
    assert attempts_s == [0, 1, 3, 9, 27, 81]


def test_delay_stays_within_a_minute_and_begins_anew_after_an_outage() -> None:
    clock = Clock()
    outage = Outage(clock)
    outage.retry_after_s()
    clock.now_s += 119.0
    assert outage.retry_after_s() == 60.0
    outage.end()
    assert outage.retry_after_s() == 1.0


def test_failures_far_apart_are_no_one_outage() -> None:
    clock = Clock()
    outage = Outage(clock)
    outage.retry_after_s()
    clock.now_s += FORGOTTEN_AFTER_S + 1
    assert outage.retry_after_s() == 1.0
