"""Which traces are folded next: finished runs first, a few at a time, many only where many wait."""

from datetime import UTC, datetime, timedelta

from stepwell_storage.folding import DirtyTrace, Folded, Key
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.rests import Rests
from stepwell_storage.schedule import FEW_STEPS, FEW_TRACES, MANY_MARKS, next_batch

NOW = datetime(2026, 9, 21, tzinfo=UTC)
NOW_S = 100.0


def key(number: int) -> Key:
    return LOCAL_WORKSPACE_ID, number.to_bytes(16)


def trace(number: int, *, ms_ago: int = 50, spans: int = 1, may_end_run: bool = False) -> DirtyTrace:
    return DirtyTrace(key(number), [number], spans, NOW - timedelta(milliseconds=ms_ago), may_end_run)


def chosen(waiting: list[DirtyTrace], rests: Rests | None = None, *held: int) -> list[int]:
    batch, _ = next_batch(waiting, rests or Rests(), {key(number) for number in held}, now_s=NOW_S, now=NOW)
    return [int.from_bytes(one.key[1]) for one in batch]


def test_finished_runs_go_before_new_ones_and_these_before_those_that_grow() -> None:
    rests = Rests()
    rests.folded({key(1): Folded(0.001, 1)}, NOW_S - 0.3)
    assert chosen([trace(1, ms_ago=30), trace(2, ms_ago=20), trace(3, may_end_run=True)], rests) == [3, 2, 1]


def test_runs_that_go_on_wait_a_moment_for_company_and_a_finished_one_takes_them_along() -> None:
    new = trace(1, ms_ago=10)
    assert next_batch([new], Rests(), (), now_s=NOW_S, now=NOW) == ([], 0.03)
    assert chosen([trace(1, ms_ago=40)]) == [1]
    assert chosen([new, trace(2, ms_ago=0, may_end_run=True)]) == [2, 1]
    assert chosen([trace(number, ms_ago=10) for number in range(FEW_TRACES)]) == list(range(FEW_TRACES))
    assert chosen([trace(1, ms_ago=-5_000)]) == [1]


def test_what_waits_for_long_goes_first() -> None:
    assert chosen([trace(1, ms_ago=1_500), trace(2, may_end_run=True)]) == [1, 2]


def test_few_are_folded_at_once_and_many_where_many_wait() -> None:
    assert chosen([trace(number) for number in range(40)]) == list(range(FEW_TRACES))
    assert len(chosen([trace(number) for number in range(400)])) == 100
    assert len(chosen([trace(number) for number in range(4_000)])) == 200


def test_a_long_run_holds_up_no_short_ones() -> None:
    rests = Rests()
    rests.folded({key(2): Folded(0.001, FEW_STEPS)}, NOW_S - 0.3)
    waiting = [trace(1), trace(2), trace(3, spans=FEW_STEPS), trace(4)]
    assert chosen(waiting, rests) == [1, 4]
    assert chosen(waiting[1:3], rests) == [3]


def test_what_another_fold_holds_waits_for_it() -> None:
    assert chosen([trace(1), trace(2)], None, 1) == [2]


def test_resting_traces_tell_when_to_look_again() -> None:
    rests = Rests()
    rests.folded({key(1): Folded(1.0, 1)}, NOW_S - 1.0)
    batch, wait_s = next_batch([trace(1, may_end_run=True)], rests, (), now_s=NOW_S, now=NOW)
    assert (batch, wait_s) == ([], 1.0)
    assert next_batch([], rests, (), now_s=NOW_S, now=NOW) == ([], float("inf"))


def test_resting_traces_hide_no_others_from_a_full_look() -> None:
    rests = Rests()
    rests.folded({key(1): Folded(1.0, 1)}, NOW_S)
    resting = trace(1)
    resting.sequences *= MANY_MARKS
    assert chosen([resting], rests) == [1]
