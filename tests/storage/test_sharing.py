"""A flood of one sender leaves room and turns to the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell_storage.sharing import Room, Turns


def fill(room: Room, key: str | None, amount: int = 1) -> int:
    """What the key gets when it takes as much as it can."""
    got = 0
    while room.fits(amount, key):
        room.take(amount, key)
        got += amount
    return got


def test_key_alone_gets_its_share_and_those_that_follow_get_less_but_something() -> None:
    room = Room(1000, 0.5)
    assert [fill(room, key) for key in ("a", "b", "c", "d")] == [500, 250, 125, 62]
    assert fill(Room(1000, 1.0), "a") == 1000


def test_no_key_is_bound_by_the_limit_alone() -> None:
    assert fill(Room(1000, 0.5), None) == 1000


def test_what_is_given_back_can_be_taken_again() -> None:
    room = Room(10, 0.5)
    with room.held(5, "a"):
        assert not room.fits(1, "a")
        assert room.fits(5, "b")
    assert (room.used, fill(room, "a")) == (0, 5)


def test_what_is_larger_than_its_share_is_taken_when_the_key_holds_nothing() -> None:
    room = Room(10, 0.5)
    assert room.fits(10, "a")
    assert room.fits(11, "a")
    room.take(1, "b")
    assert room.fits(9, "a")
    assert not room.fits(10, "a")


def test_groups_take_turns_by_the_cost_of_what_they_had() -> None:
    turns: Turns[str] = Turns()
    for number in range(4):
        turns.put("large", f"L{number}", 3)
    for number in range(7):
        turns.put("small", f"s{number}", 1)
    taken = [turns.take() for _ in range(11)]
    assert taken == ["L0", "s0", "s1", "s2", "L1", "s3", "s4", "s5", "L2", "s6", "L3"]
    assert not turns


def test_group_that_was_away_is_next_but_not_owed_for_it() -> None:
    turns: Turns[str] = Turns()
    for number in range(100):
        turns.put("flood", f"f{number}", 10)
    for _ in range(50):
        turns.take()
    for number in range(3):
        turns.put("new", f"n{number}", 10)
    assert [turns.take() for _ in range(6)] == ["n0", "f50", "n1", "f51", "n2", "f52"]


def test_nothing_waits_in_an_empty_queue() -> None:
    with pytest.raises(IndexError):
        Turns().take()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9), st.booleans())))
def test_every_item_comes_once_and_in_its_groups_order(puts: list[tuple[int, int, bool]]) -> None:
    turns: Turns[tuple[int, int]] = Turns()
    taken = []
    for number, (group, cost, takes) in enumerate(puts):
        turns.put(group, (group, number), cost)
        if takes:
            taken.append(turns.take())
    while turns:
        taken.append(turns.take())
    assert sorted(number for _, number in taken) == list(range(len(puts)))
    for group in range(4):
        numbers = [number for owner, number in taken if owner == group]
        assert numbers == sorted(numbers)
