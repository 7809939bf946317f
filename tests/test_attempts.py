"""Which call of a step repeats which failed one."""

import pytest
from tests.folding import OUTPUT, only
from tests.spans import Sent, agent, exception, tool

from stepwell_receiver import wire

Call = tuple[int, int, bool]
"""Start and duration in ms, and whether it failed."""


def call(number: int, start_ms: int, for_ms: int, failed: bool) -> Sent:
    broken = {"status": wire.STATUS_ERROR, "events": [exception("OSError", "busy")]} if failed else {}
    return tool(f"t{number}", "fetch", parent="a", at_ms=start_ms, for_ms=for_ms, **broken)


@pytest.mark.parametrize(
    ("calls", "attempts"),
    [
        ([(0, 5, True), (6, 5, False)], [1, 2]),
        ([(0, 5, True), (6, 5, True), (12, 5, False), (18, 5, False)], [1, 2, 3, 1]),
        ([(0, 5, False), (6, 5, False)], [1, 1]),
        ([(0, 9, True), (6, 5, False)], [1, 1]),
        ([(0, 5, True), (1, 20, False), (8, 5, False)], [1, 1, 2]),
        ([(0, 5, True), (1, 5, True), (2, 5, False), (8, 5, False), (9, 5, False), (10, 5, False)], [1, 1, 1, 2, 2, 1]),
        ([(0, 5, True), (1, 5, True), (7, 2, True), (8, 1, False), (10, 5, False)], [1, 1, 2, 2, 3]),
    ],
    ids=[
        "again",
        "until it succeeds",
        "no failure",
        "overlapping",
        "beside others",
        "two of three",
        "one of them twice",
    ],
)
def test_a_failed_call_is_repeated_by_the_first_that_starts_after_it(calls: list[Call], attempts: list[int]) -> None:
    run = only(agent("a", for_ms=100, attributes=OUTPUT), *[call(n, *told) for n, told in enumerate(calls)])

    assert [p.attempt for p in run.placements if p.step.operation == "execute_tool"] == attempts
