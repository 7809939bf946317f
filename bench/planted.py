"""Makes runs of an agent by a plan: its steps, how long they take, how they fail, and what was planted in them.

The runs are plain (`PlannedRun`): `planted_cases` says what is planted, `planted_records` gives them to the detectors,
`planted_wire` sends them as spans.
"""

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

DAY_MS = 86_400_000.0
MODEL, TOOL, AGENT, CHAIN = "model", "tool", "agent", "chain"

Value = Any


@dataclass(slots=True)
class PlannedStep:
    """One step, with times in milliseconds since the run's start."""

    name: str
    kind: str
    start_ms: float
    end_ms: float
    parent: int
    status: str = "success"
    error_type: str | None = None
    input: Value = None
    output: Value = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(slots=True)
class PlannedRun:
    """One run; the first step is its root."""

    number: int
    start: datetime
    steps: list[PlannedStep]
    status: str = "success"
    error_step: str | None = None
    input: Mapping[str, Value] | None = None
    version: str | None = None


@dataclass(slots=True)
class Node:
    """A step of the plan, or several side by side, or an agent around others."""

    name: str
    kind: str = TOOL
    median_ms: float = 400.0
    sigma: float = 0.35
    children: "list[Node]" = field(default_factory=list)
    is_parallel: bool = False
    """Whether the children start together."""
    is_independent: bool = False
    """Whether it takes its input from the request alone, and not from the step before."""
    rounds: tuple[int, int] = (1, 1)
    """The children are gone through so many times."""


@dataclass(slots=True)
class Moment:
    """What planted effects may depend on."""

    number: int
    share: float
    """Where the run lies in the window, 0 to 1."""
    start: datetime
    version: str | None
    input: Mapping[str, Value]
    path: int
    dice: Random


@dataclass(slots=True)
class Plan:
    """An agent, and everything that can be planted in it."""

    agent_id: str
    start: datetime
    days: float
    runs: int
    paths: list[tuple[float, list[Node]]]
    """Weight and steps of each way through the agent."""
    records_values: bool = True
    has_tokens: bool = True
    fail_rate: float = 0.01
    """Per call of any step."""
    gap_ms: float = 5.0
    hour_weights: Sequence[float] = (1.0,) * 24
    weekend_weight: float = 1.0
    burst: tuple[float, float, float] | None = None
    """(share of the window at which it begins, hours that it lasts, share of all runs)."""
    inputs: Callable[[Random], dict[str, Value]] = field(default=lambda dice: {"request": f"r{dice.getrandbits(40):x}"})
    version: Callable[[float, Random], str | None] = field(default=lambda share, dice: None)
    slowness: Callable[[Moment, str], float] = field(default=lambda moment, name: 1.0)
    fails: Callable[[Moment, str, int], float] = field(default=lambda moment, name, attempt: 0.0)
    """Extra probability that the call fails; by moment, step and attempt."""
    fails_whole: Callable[[Moment], float] = field(default=lambda moment: 0.0)
    """Probability that the run fails at some step, any with the same chance."""
    retries: Mapping[str, int] = field(default_factory=dict)
    """Step → attempts at most."""
    stuck: tuple[str, float, int, bool] | None = None
    """(step, share of runs, rounds, whether its inputs differ)."""
    repeats: tuple[str, float, bool] | None = None
    """(step, share of runs, whether the output is new): called again with the same input."""
    tokens: Callable[[Moment, int], float] = field(default=lambda moment, call: 1.0)
    """Factor of the prompt; by moment and number of the model call within the run."""
    limit_ms: Callable[[str], float] = field(default=lambda name: math.inf)
    """How long a call of the step may take before the run is given up."""


def simulate(plan: Plan, dice: Random) -> list[PlannedRun]:
    """All runs, in order of their start."""
    starts = sorted(_start_of(plan, dice) for _ in range(plan.runs))
    return [_Run(plan, dice, number, start).run() for number, start in enumerate(starts)]


def _start_of(plan: Plan, dice: Random) -> datetime:
    if plan.burst is not None and dice.random() < plan.burst[2]:
        return plan.start + timedelta(days=plan.burst[0] * plan.days, hours=dice.random() * plan.burst[1])
    heaviest = max(plan.hour_weights) * max(plan.weekend_weight, 1.0)
    while True:
        start = plan.start + timedelta(days=dice.random() * plan.days)
        weight = plan.hour_weights[start.hour] * (plan.weekend_weight if start.weekday() >= 5 else 1.0)
        if dice.random() * heaviest < weight:
            return start


class _CutError(Exception):
    """The run ended here."""


class _Run:
    """Goes through the plan once."""

    def __init__(self, plan: Plan, dice: Random, number: int, start: datetime) -> None:
        self.plan, self.dice = plan, dice
        share = (start - plan.start) / timedelta(days=plan.days)
        path = dice.choices(range(len(plan.paths)), [weight for weight, _ in plan.paths])[0]
        version, given = plan.version(share, dice), plan.inputs(dice)
        self.moment = Moment(number, share, start, version, given, path, dice)
        self.steps = [PlannedStep(plan.agent_id, AGENT, 0.0, 0.0, -1)]
        self.now_ms = self.plan.gap_ms
        self.last: Value = given
        self.calls = 0
        self.done = PlannedRun(number, start, self.steps, "success", None, given, version)
        stuck = plan.stuck
        self.is_stuck = stuck is not None and dice.random() < stuck[1]
        self.repeats = plan.repeats is not None and dice.random() < plan.repeats[1]
        leaves = _leaves(plan.paths[path][1])
        self.doomed = dice.choice(leaves).name if dice.random() < plan.fails_whole(self.moment) else None

    def run(self) -> PlannedRun:
        """The run, as far as it got."""
        with contextlib.suppress(_CutError):
            self._go(self.plan.paths[self.moment.path][1], 0)
        self.now_ms += self.plan.gap_ms
        self.steps[0].end_ms = self.now_ms
        if self.done.status != "success":
            self._fail_parents()
        self.steps[0].input = dict(self.moment.input) if self.plan.records_values else None
        self.steps[0].output = self.last if self.plan.records_values and self.done.status == "success" else None
        return self.done

    def _fail_parents(self) -> None:
        failed = self.steps[-1]
        at = failed.parent
        while at >= 0:
            self.steps[at].status, self.steps[at].error_type = self.done.status, failed.error_type
            self.steps[at].end_ms = self.now_ms
            at = self.steps[at].parent

    def _go(self, nodes: Sequence[Node], parent: int) -> None:
        for node in nodes:
            if node.children:
                self._around(node, parent)
            else:
                self._call(node, parent)
            self.now_ms += self.plan.gap_ms

    def _around(self, node: Node, parent: int) -> None:
        at = parent
        if node.kind in (AGENT, CHAIN) and node.name:
            at = len(self.steps)
            given = {"task": self.last}
            self.steps.append(PlannedStep(node.name, node.kind, self.now_ms, self.now_ms, parent, input=given))
        for _ in range(self.dice.randint(*node.rounds)):
            if node.is_parallel:
                self._side_by_side(node.children, at)
            else:
                self._go(node.children, at)
        if at != parent:
            self.steps[at].end_ms, self.steps[at].output = self.now_ms, {"answer": self.last}
            if not self.plan.records_values:
                self.steps[at].input = self.steps[at].output = None

    def _side_by_side(self, nodes: Sequence[Node], parent: int) -> None:
        begin_ms, latest_ms, before = self.now_ms, self.now_ms, self.last
        results = []
        for node in nodes:
            self.now_ms, self.last = begin_ms, before
            self._call(node, parent)
            latest_ms = max(latest_ms, self.now_ms)
            results.append(self.last)
        self.now_ms, self.last = latest_ms, results

    def _call(self, node: Node, parent: int) -> None:
        given = self._given(node)
        self._attempts(node, parent, given)
        stuck, repeats = self.plan.stuck, self.plan.repeats
        if stuck is not None and self.is_stuck and node.name == stuck[0]:
            self._loop(node, parent, given, stuck)
        if repeats is not None and self.repeats and node.name == repeats[0]:
            same = self.steps[-1].output
            self._attempts(node, parent, given)
            if not repeats[2]:
                self.steps[-1].output = same
                self.last = same

    def _loop(self, node: Node, parent: int, given: Value, stuck: tuple[str, float, int, bool]) -> None:
        same = self.steps[-1].output
        for number in range(self.dice.randint(int(stuck[2] * 0.8), stuck[2])):
            self.now_ms += self.plan.gap_ms
            self._attempts(node, parent, {**given, "page": number} if stuck[3] else given)
            if not stuck[3]:
                self.steps[-1].output = same
        if not stuck[3]:
            self.done.status, self.done.error_step = "failed", None
            raise _CutError

    def _given(self, node: Node) -> Value:
        request = self.moment.input.get("request", self.moment.number)
        if node.is_independent:
            return {"request": request, "part": node.name}
        return {"request": request, "context": self.last}

    def _attempts(self, node: Node, parent: int, given: Value) -> None:
        most = self.plan.retries.get(node.name, 1)
        for attempt in range(1, most + 1):
            if attempt > 1:
                self.now_ms += self.plan.gap_ms
            if self._attempt(node, parent, given, attempt):
                return
        self.done.status = self.steps[-1].status
        self.done.error_step = node.name
        raise _CutError

    def _attempt(self, node: Node, parent: int, given: Value, attempt: int) -> bool:
        plan, dice = self.plan, self.dice
        slowness = plan.slowness(self.moment, node.name)
        duration_ms = node.median_ms * math.exp(dice.gauss(0.0, node.sigma)) * slowness
        failing = plan.fail_rate + plan.fails(self.moment, node.name, attempt)
        failed = dice.random() < failing or (self.doomed == node.name and attempt == plan.retries.get(node.name, 1))
        step = PlannedStep(node.name, node.kind, self.now_ms, self.now_ms + duration_ms, parent)
        limit_ms = plan.limit_ms(node.name)
        if duration_ms > limit_ms:
            step.end_ms, step.status, step.error_type = self.now_ms + limit_ms, "timeout", "TimeoutError"
        elif failed:
            step.status, step.error_type = "failed", dice.choice(("ValueError", "ConnectionError"))
        self._record(step, node, given)
        self.now_ms = step.end_ms
        self.steps.append(step)
        return step.status == "success"

    def _record(self, step: PlannedStep, node: Node, given: Value) -> None:
        result = {"result": f"v{self.dice.getrandbits(48):x}"}
        if step.status == "success":
            self.last = result
        if self.plan.records_values:
            step.input = given
            step.output = result if step.status == "success" else None
        if node.kind == MODEL and self.plan.has_tokens and step.status == "success":
            factor = self.plan.tokens(self.moment, self.calls)
            step.prompt_tokens = max(int(800 * factor * math.exp(self.dice.gauss(0.0, 0.15))), 1)
            step.completion_tokens = max(int(120 * math.exp(self.dice.gauss(0.0, 0.3))), 1)
            self.calls += 1


def _leaves(nodes: Sequence[Node]) -> list[Node]:
    return [leaf for node in nodes for leaf in (_leaves(node.children) if node.children else [node])]
