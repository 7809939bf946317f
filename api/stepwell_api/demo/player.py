"""Plays cases: runs their agents concurrently and notes what was really sent."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stepwell_api.demo.cases import MODELS, Case, Ending
from stepwell_api.demo.desk import AGENTS, Desk
from stepwell_api.demo.script import Script, Totals
from stepwell_api.demo.telemetry import Origin, Telemetry, current_origin


@dataclass(frozen=True, slots=True)
class Sent:
    """A run as it was sent."""

    trace_id: str
    agent: str
    ending: Ending
    totals: Totals


async def play_all(
    cases: Sequence[Case], telemetry: Telemetry, *, concurrency: int, played: Callable[[], None]
) -> list[Sent]:
    """Plays all cases, at most `concurrency` at the same time; calls `played` after each."""
    places = asyncio.Semaphore(concurrency)

    async def play_in_turn(case: Case) -> Sent:
        async with places:
            sent = await _play(case, telemetry)
        played()
        return sent

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(play_in_turn(case)) for case in cases]
    await _wait_for_stragglers()
    return [task.result() for task in tasks]


async def _play(case: Case, telemetry: Telemetry) -> Sent:
    totals = Totals()
    scripts = {agent: Script(MODELS[agent], turns, totals) for agent, turns in case.turns.items()}
    desk = Desk(scripts, telemetry.staging if case.staging else telemetry.production, case.tool_seconds)
    origin = Origin(case.customer)
    current_origin.set(origin)  # each case has a task of its own, and with it a context of its own
    run = asyncio.create_task(desk.run(AGENTS[case.agent], case.prompt))
    await _wait_like_a_customer(run, totals.hung, case.patience_s)
    ending = _ending(run)
    if ending is not case.ending:
        raise RuntimeError(f"The script ends with {case.ending}, the run with {ending}") from _error(run)
    return Sent(origin.trace_id, case.agent, ending, totals)


async def _wait_like_a_customer(run: asyncio.Task[str], hung: asyncio.Event, patience_s: float) -> None:
    """Waits for the run; once its model hangs, only for so long, and then cancels it."""
    giving_up = asyncio.create_task(hung.wait())
    await asyncio.wait({run, giving_up}, return_when=asyncio.FIRST_COMPLETED)
    giving_up.cancel()
    if not run.done():
        await asyncio.wait({run}, timeout=patience_s)
        run.cancel()
        await asyncio.wait({run})


def _ending(run: asyncio.Task[str]) -> Ending:
    if run.cancelled():
        return Ending.CUT_OFF
    return Ending.SUCCESS if run.exception() is None else Ending.FAILED


def _error(run: asyncio.Task[str]) -> BaseException | None:
    return None if run.cancelled() else run.exception()


async def _wait_for_stragglers() -> None:
    """Cancelled calls end a moment after their run; their spans belong to it."""
    stragglers = asyncio.all_tasks() - {asyncio.current_task()}
    if stragglers:
        await asyncio.wait(stragglers)
