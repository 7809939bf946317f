"""A few at a time, by turns, and nobody who gives up takes a slot along."""

import asyncio

import pytest

from stepwell_receiver.gate import Gate


async def test_waiting_groups_take_turns() -> None:
    gate = Gate(1)
    entered: list[str] = []

    async def enter(name: str) -> None:
        async with gate.slot(name[0]):
            entered.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*map(enter, ["a1", "a2", "a3", "a4", "b1", "b2"]))
    assert entered == ["a1", "a2", "b1", "a3", "b2", "a4"]


@pytest.mark.parametrize("gives_up_late", [False, True], ids=["while it waits", "as its turn comes"])
async def test_slot_of_who_gives_up_goes_to_the_next(gives_up_late: bool) -> None:
    gate = Gate(1)

    async def enter() -> bool:
        async with gate.slot("a"):
            return True

    async with gate.slot("a"):
        quitter, patient = asyncio.create_task(enter()), asyncio.create_task(enter())
        await asyncio.sleep(0)
        if not gives_up_late:
            quitter.cancel()
    quitter.cancel()
    assert await patient
    assert await enter()
    with pytest.raises(asyncio.CancelledError):
        await quitter
