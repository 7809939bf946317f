"""Iterations as steps: ``for item in stepwell.loop(items)`` makes one of each pass through the body."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Generic, TypeVar

from stepwell import steps
from stepwell.plan import Plan
from stepwell.steps import Step

Item = TypeVar("Item")


class _Passes:
    """The iteration at hand. Its body is left with the next item, or without: by ``break``, ``return`` or an exception.

    Python does not tell an iterator which of these it was. The step around the loop knows: if it fails before any
    other step began, the iteration failed with it.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan.named("loop")
        self._step: Step | None = None

    def _begin(self) -> None:
        self._step = steps.begin(self._plan)
        self._step.enter()

    def _end(self) -> None:
        step, self._step = self._step, None
        if step is not None:
            step.leave()
            step.end()

    def __del__(self) -> None:
        step, self._step = self._step, None
        if step is None:
            return
        if steps.current_step() is step:
            step.leave()
        step.end_with_outer()


class Passes(_Passes, Generic[Item]):
    """An iterator over items, each pass a step."""

    def __init__(self, plan: Plan, items: Iterable[Item]) -> None:
        super().__init__(plan)
        self._items = iter(items)

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        self._end()
        item = next(self._items)
        self._begin()
        return item


class AsyncPasses(_Passes, Generic[Item]):
    """The same for ``async for``."""

    def __init__(self, plan: Plan, items: AsyncIterable[Item]) -> None:
        super().__init__(plan)
        self._items = aiter(items)

    def __aiter__(self) -> AsyncIterator[Item]:
        return self

    async def __anext__(self) -> Item:
        self._end()
        item = await anext(self._items)
        self._begin()
        return item
