"""When a trace is folded again: at once the first time, then in proportion to what its folds cost."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from stepwell_storage.folding import DirtyTrace, Folded
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.rests import Rests

KEY = (LOCAL_WORKSPACE_ID, bytes(16))


def waiting(spans: int) -> DirtyTrace:
    return DirtyTrace(KEY, [1], spans, datetime.now(UTC))


def folded_at_100(took_s: float) -> Rests:
    rests = Rests()
    rests.folded({KEY: Folded(took_s, steps=7)}, 100.0)
    return rests


def test_first_fold_waits_for_nothing() -> None:
    assert Rests().wait_s(waiting(1), 100.0) == 0.0


@pytest.mark.parametrize(("took_s", "rest_s"), [(0.001, 0.2), (0.2, 4.0), (30.0, 60.0)])
def test_trace_that_keeps_growing_rests_in_proportion_to_its_last_fold(took_s: float, rest_s: float) -> None:
    rests = folded_at_100(took_s)
    at_s, spans = 100.0, 0
    while at_s + max(took_s, 0.1) / 2 < 100.0 + rest_s:
        at_s, spans = at_s + max(took_s, 0.1) / 2, spans + 1
        assert rests.wait_s(waiting(spans), at_s) > 0.0
    assert rests.wait_s(waiting(spans + 1), 100.0 + rest_s) == 0.0


def test_trace_that_has_stopped_growing_is_due_sooner() -> None:
    rests = folded_at_100(0.2)
    assert rests.wait_s(waiting(3), 100.1) == pytest.approx(0.4)
    assert rests.wait_s(waiting(4), 100.4) == pytest.approx(0.4)
    assert rests.wait_s(waiting(4), 100.9) == 0.0


def test_trace_whose_run_may_be_over_is_due_soonest() -> None:
    rests = folded_at_100(0.1)
    assert rests.wait_s(replace(waiting(3), may_end_run=True), 100.05) == pytest.approx(0.15)
    assert rests.wait_s(replace(waiting(4), may_end_run=True), 100.21) == 0.0


def test_new_log_records_wait_as_well() -> None:
    assert folded_at_100(0.2).wait_s(waiting(0), 100.1) == pytest.approx(0.4)


def test_rest_that_is_over_is_forgotten() -> None:
    rests = folded_at_100(0.2)
    rests.forget(101.0)
    assert rests.wait_s(waiting(1), 101.0) > 0.0
    assert rests.steps(KEY) == 7
    rests.forget(105.0)
    assert rests.wait_s(waiting(1), 105.0) == 0.0
    assert rests.steps(KEY) == 0


def test_trace_that_cannot_be_folded_is_left_alone_for_a_while() -> None:
    rests = Rests()
    rests.failed(KEY, 30.0, 100.0)
    assert rests.wait_s(replace(waiting(1), may_end_run=True), 115.0) == pytest.approx(15.0)
    assert rests.wait_s(waiting(1), 130.0) == 0.0
