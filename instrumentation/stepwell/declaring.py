"""``@stepwell.agent``, ``@stepwell.step`` and their kin: decorators, and blocks of ``with`` and ``async with``."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, overload

from stepwell import plan as plans
from stepwell import steps, wrapping
from stepwell.loops import AsyncPasses, Item, Passes
from stepwell.plan import Plan, Retries, StepType
from stepwell.steps import NOTHING, Step
from stepwell.wrapping import F


class Declared:
    """A step that is declared: calling it with a function decorates that, entering it starts the step.

    One may be entered again and again, also inside itself; each time it is a step of its own.
    """

    __slots__ = ("_given", "_plan", "_running")

    def __init__(self, plan: Plan, given: object) -> None:
        self._plan = plan
        self._given = given
        self._running: list[Step] = []

    def __call__(self, function: F) -> F:
        """Decorates a function, a coroutine function, a generator or an async generator."""
        return wrapping.wrap(function, self._plan)

    def __enter__(self) -> Step:
        step = steps.begin(self._plan.named(self._plan.operation or self._plan.kind), self._given)
        step.enter()
        self._running.append(step)
        return step

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running:
            inner = steps.current_step()
            # Tasks may share one declaration, so that the last one entered is not always the one that is left.
            step = inner if inner in self._running else self._running[-1]
            self._running.remove(step)
            step.leave()
            step.end(error)

    async def __aenter__(self) -> Step:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


@overload
def agent(name: F, /) -> F: ...
@overload
def agent(
    name: str | None = None,
    *,
    version: str | None = None,
    id: str | None = None,
    user_id: str | None = None,
    session_id: str | None = None,
    runtime_mode: str | None = None,
    input: object = NOTHING,
    capture: bool | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Declared: ...
def agent(
    name: Any = None,
    *,
    version: str | None = None,
    id: str | None = None,  # noqa: A002
    user_id: str | None = None,
    session_id: str | None = None,
    runtime_mode: str | None = None,
    input: object = NOTHING,  # noqa: A002
    capture: bool | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """An agent's run: the outermost one is an execution, those inside it are steps of it.

    Args:
        name: the agent's stable name; without one, the function's.
        version: of the agent.
        id: of the agent, where it has one beside its name.
        user_id: for whom it runs.
        session_id: the conversation that it is part of.
        runtime_mode: ``default``, ``fast`` or a word of your own.
        input: what the run is given, for a block of ``with``; a function's arguments are read from its call.
        capture: ``False`` leaves input and output out.
        attributes: further attributes of the span.
    """
    declared = Declared(
        plans.of_agent(
            None if _is_function(name) else name,
            version=version,
            agent_id=id,
            user_id=user_id,
            session_id=session_id,
            runtime_mode=runtime_mode,
            capture=capture,
            attributes=attributes,
        ),
        input,
    )
    return declared(name) if _is_function(name) else declared


@overload
def step(name: F, /) -> F: ...
@overload
def step(
    name: str | None = None,
    *,
    step_type: StepType | None = None,
    operation: str | None = None,
    model: str | None = None,
    provider: str | None = None,
    retries: int | Retries = 0,
    input: object = NOTHING,
    capture: bool | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Declared: ...
def step(
    name: Any = None,
    *,
    step_type: StepType | None = None,
    operation: str | None = None,
    model: str | None = None,
    provider: str | None = None,
    retries: int | Retries = 0,
    input: object = NOTHING,  # noqa: A002
    capture: bool | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """A step of a run: a tool or unit of work, unless told otherwise.

    Args:
        name: the step's name; without one, the function's.
        step_type: ``action``, ``api_call``, ``decision`` or ``loop``.
        operation: OpenTelemetry's ``gen_ai.operation.name``, where it is neither a tool's nor a model's call.
        model: makes it a call of this model.
        provider: of the model.
        retries: how often a decorated function is called again after an exception; each call is an attempt.
        input: what the step is given, for a block of ``with``; a function's arguments are read from its call.
        capture: ``False`` leaves input and output out.
        attributes: further attributes of the span.
    """
    declared = Declared(
        plans.of_step(
            None if _is_function(name) else name,
            step_type=step_type,
            operation=operation,
            model=model,
            provider=provider,
            capture=capture,
            retries=retries if isinstance(retries, Retries) else Retries(retries),
            attributes=attributes,
        ),
        input,
    )
    return declared(name) if _is_function(name) else declared


@overload
def decision(name: F, /) -> F: ...
@overload
def decision(
    name: str | None = None,
    *,
    input: object = NOTHING,
    capture: bool | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Declared: ...
def decision(
    name: Any = None,
    *,
    input: object = NOTHING,  # noqa: A002
    capture: bool | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """A step that decides how the run goes on, such as a router; its output is the choice.

    Args:
        name: the step's name; without one, the function's.
        input: what is decided on, for a block of ``with``.
        capture: ``False`` leaves input and output out.
        attributes: further attributes of the span.
    """
    if _is_function(name):
        return step(step_type="decision")(name)
    return step(name, step_type="decision", input=input, capture=capture, attributes=attributes)


@overload
def loop(  # type: ignore[overload-overlap]  # a name is no collection of letters
    items: str | None = None, *, attributes: Mapping[str, Any] | None = None
) -> Declared: ...
@overload
def loop(
    items: Iterable[Item], *, name: str | None = None, attributes: Mapping[str, Any] | None = None
) -> Iterator[Item]: ...
@overload
def loop(
    items: AsyncIterable[Item], *, name: str | None = None, attributes: Mapping[str, Any] | None = None
) -> AsyncIterator[Item]: ...
def loop(items: Any = None, *, name: str | None = None, attributes: Mapping[str, Any] | None = None) -> Any:
    """Iterations as steps that hold the steps of their body.

    ``for item in stepwell.loop(items, name="turn")`` makes a step of each pass, ``async for`` likewise;
    ``with stepwell.loop("turn")`` makes one of its block.

    Args:
        items: what to iterate over, or the name of the one iteration that the block is.
        name: of the iterations.
        attributes: further attributes of their spans.
    """
    if items is None or isinstance(items, str):
        return step(items or name or "loop", step_type="loop", attributes=attributes)
    plan = plans.of_step(name, step_type="loop", attributes=attributes)
    return AsyncPasses(plan, items) if hasattr(items, "__aiter__") else Passes(plan, items)


def _is_function(given: object) -> bool:
    """Whether a decorator was written without parentheses; a class method cannot be called by itself."""
    return callable(given) or isinstance(given, classmethod)
