"""Makes steps of functions: plain and async ones, generators and async generators.

A wrapped function gives what the function gives and raises what it raises, the same object each. A generator's step
begins with the first value that is asked for, and is the current one only while the generator itself runs.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from typing import Any, Final, TypeVar, cast

from stepwell import runtime, steps
from stepwell.plan import Plan
from stepwell.semconv import ATTEMPT, CLOSED_EARLY
from stepwell.steps import NOTHING, Step

F = TypeVar("F", bound=Callable[..., Any])

MAX_ITEMS: Final = 1_000
"""Values of a generator that are kept for its output."""

_Read = Callable[[tuple[Any, ...], Mapping[str, Any]], dict[str, Any]]


def wrap(function: F, plan: Plan) -> F:
    """The function as a step; of a static or class method, the method again."""
    if isinstance(function, staticmethod | classmethod):
        return cast(F, type(function)(wrap(function.__func__, plan)))
    named = plan.named(getattr(function, "__name__", type(function).__name__))
    read = _arguments_of(function)
    if inspect.isasyncgenfunction(function):
        return cast(F, _async_generator(function, named, read))
    if inspect.isgeneratorfunction(function):
        return cast(F, _generator(function, named, read))
    if inspect.iscoroutinefunction(function):
        return cast(F, _coroutine(function, named, read))
    return cast(F, _plain(function, named, read))


def _plain(function: Callable[..., Any], plan: Plan, read: _Read) -> Callable[..., Any]:
    @functools.wraps(function)
    def step(*args: Any, **kwargs: Any) -> Any:
        if not runtime.current().reports and not plan.retries.times:
            return function(*args, **kwargs)
        attempt = 1
        while True:
            running = _begin(plan, read(args, kwargs), attempt)
            running.enter()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                wait_s = plan.retries.wait_s(attempt, error)
                running.leave()
                running.end(error)
                if wait_s is None:
                    raise
            else:
                running.leave()
                _finish(running, result)
                return result
            attempt += 1
            time.sleep(wait_s)

    return step


def _coroutine(function: Callable[..., Awaitable[Any]], plan: Plan, read: _Read) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(function)
    async def step(*args: Any, **kwargs: Any) -> Any:
        if not runtime.current().reports and not plan.retries.times:
            return await function(*args, **kwargs)
        attempt = 1
        while True:
            running = _begin(plan, read(args, kwargs), attempt)
            running.enter()
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                wait_s = plan.retries.wait_s(attempt, error)
                running.leave()
                running.end(error)
                if wait_s is None:
                    raise
            else:
                running.leave()
                _finish(running, result)
                return result
            attempt += 1
            await _sleep(wait_s)

    return step


async def _sleep(wait_s: float) -> None:
    """Loads asyncio, which half of all agents do without, when it is there already."""
    import asyncio

    await asyncio.sleep(wait_s)


def _generator(
    function: Callable[..., Generator[Any, Any, Any]], plan: Plan, read: _Read
) -> Callable[..., Generator[Any, Any, Any]]:
    @functools.wraps(function)
    def step(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner = function(*args, **kwargs)
        if not runtime.current().reports:
            return (yield from inner)
        taken = _Taken(_begin(plan, read(args, kwargs)))
        resume: Callable[[], Any] = functools.partial(next, inner)
        while True:
            taken.step.resume()
            try:
                value = resume()
            except StopIteration as end:
                taken.step.leave()
                taken.finish(end.value)
                return end.value
            except BaseException as error:
                taken.step.leave()
                taken.fail(error)
                raise
            taken.step.suspend()
            taken.add(value)
            try:
                sent = yield value
            except GeneratorExit:
                resume = functools.partial(_close, inner)
            except BaseException as error:
                resume = functools.partial(inner.throw, error)
            else:
                resume = functools.partial(inner.send, sent)

    return step


def _close(inner: Generator[Any, Any, Any]) -> None:
    """Closes a generator; where it does not object, what closed it goes on."""
    inner.close()
    raise GeneratorExit


def _async_generator(
    function: Callable[..., AsyncGenerator[Any, Any]], plan: Plan, read: _Read
) -> Callable[..., AsyncGenerator[Any, Any]]:
    @functools.wraps(function)
    async def step(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner = function(*args, **kwargs)
        taken = _Taken(_begin(plan, read(args, kwargs)))
        resume: Callable[[], Awaitable[Any]] = inner.__anext__
        while True:
            taken.step.resume()
            try:
                value = await resume()
            except StopAsyncIteration:
                taken.step.leave()
                taken.finish(None)
                return
            except BaseException as error:
                taken.step.leave()
                taken.fail(error)
                raise
            taken.step.suspend()
            taken.add(value)
            try:
                sent = yield value
            except GeneratorExit:
                resume = functools.partial(_aclose, inner)
            except BaseException as error:
                resume = functools.partial(inner.athrow, error)
            else:
                resume = functools.partial(inner.asend, sent)

    return step


async def _aclose(inner: AsyncGenerator[Any, Any]) -> None:
    await inner.aclose()
    raise GeneratorExit


class _Taken:
    """A generator's step and the values that were taken of it so far; of many, the first."""

    __slots__ = ("_count", "_values", "step")

    def __init__(self, step: Step) -> None:
        self.step = step
        self._values: list[Any] = []
        self._count = 0

    def add(self, value: object) -> None:
        self._count += 1
        if len(self._values) < MAX_ITEMS:
            self._values.append(value)

    def finish(self, returned: object) -> None:
        """Ends the step with what it returned, else what it gave: of pieces of text, the text."""
        if returned is not None:
            _finish(self.step, returned)
            return
        texts = [value for value in self._values if isinstance(value, str)]
        left_out = self._count - len(self._values)
        values: object = [*self._values, f"[cut: {left_out} more]"] if left_out else self._values
        _finish(self.step, "".join(texts) if texts and len(texts) == self._count else values)

    def fail(self, error: BaseException) -> None:
        """Ends the step with an error; a step, other than an agent, may be left before its last value."""
        if not isinstance(error, GeneratorExit) or self.step.is_agent:
            self.step.end(error)
            return
        self.step.set_attribute(CLOSED_EARLY, True)
        self.finish(None)


def _begin(plan: Plan, given: dict[str, Any], attempt: int = 1) -> Step:
    return steps.begin(plan, given or NOTHING, {ATTEMPT: attempt} if plan.retries.times else None)


def _finish(step: Step, result: object) -> None:
    if result is not None:
        step.set_output(result)
    step.end()


def _arguments_of(function: Callable[..., Any]) -> _Read:
    """Reads a call's arguments by their names, without the instance or class of a method."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = tuple(parameter.name for parameter in parameters if parameter.kind in positional)
    rest = next((p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL), "args")
    skipped = 1 if names and names[0] in ("self", "cls") else 0

    def read(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(zip(names[skipped:], args[skipped:], strict=False))
        if len(args) > len(names):
            given[rest] = args[len(names) :]
        return {**given, **kwargs} if kwargs else given

    return read
