"""Agents that look like a pattern of each kind and are none: nothing may be suggested."""

import math
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from bench.planted import MODEL, TOOL, Node
from bench.planted_cases import PLANTED, Case, base_plan, give_share, one_tool, second_path, tools_of


def _case(dice: Random, name: str, **bounds: Any) -> Case:
    return Case(name, base_plan(dice, **bounds), None)


def slow_but_healthy(dice: Random) -> Case:
    case = _case(dice, "slow but healthy")
    case.plan.slowness = lambda moment, name: 12.0
    return case


def large_share(dice: Random) -> Case:
    case = _case(dice, "a step with a large share")
    give_share(case.plan, one_tool(dice, case.plan), dice.uniform(0.38, 0.45))
    return case


def daily_rise(dice: Random) -> Case:
    case = _case(dice, "load rises by day")
    phase = dice.randrange(24)
    case.plan.hour_weights = [1 + 0.3 * math.sin((hour + phase) / 24 * 2 * math.pi) for hour in range(24)]
    return case


def one_burst(dice: Random) -> Case:
    case = _case(dice, "one burst")
    case.plan.burst = (dice.uniform(0.1, 0.8), 2.0, 0.35)
    return case


def weekly_season(dice: Random) -> Case:
    case = _case(dice, "weekly season", least_days=7.0)
    factor = dice.uniform(1.4, 2.0)
    case.plan.weekend_weight = dice.uniform(0.3, 1.0)
    case.plan.slowness = lambda moment, name: factor if moment.start.weekday() >= 5 else 1.0
    return case


def slow_nights(dice: Random) -> Case:
    case = _case(dice, "slow nights")
    case.plan.slowness = lambda moment, name: 1.8 if moment.start.hour < 5 else 1.0
    return case


def even_errors(dice: Random) -> Case:
    case = _case(dice, "a rare error spread evenly")
    case.plan.fail_rate = dice.uniform(0.01, 0.03)
    return case


def even_retries(dice: Random) -> Case:
    case = _case(dice, "rare errors, retried everywhere")
    case.plan.fail_rate = 0.01
    case.plan.retries = {tool.name: 3 for tool in tools_of(case.plan.paths[0][1])}
    return case


def unchanged_release(dice: Random) -> Case:
    case = _case(dice, "an unchanged release")
    at = dice.uniform(0.3, 0.7)
    case.plan.version = lambda share, dice: "2.0.0" if share >= at else "1.9.0"
    return case


def passing_slowness(dice: Random) -> Case:
    case = _case(dice, "slow for some hours", least_days=5.0)
    begin = dice.uniform(0.2, 0.5)
    case.plan.slowness = lambda moment, name: 2.0 if begin <= moment.share < begin + 0.15 else 1.0
    return case


def fresh_slowness(dice: Random) -> Case:
    case = _case(dice, "slow for less than a day", least_days=5.0)
    begin = 1 - 0.6 / case.plan.days
    case.plan.slowness = lambda moment, name: 2.0 if moment.share >= begin else 1.0
    return case


def passing_failures(dice: Random) -> Case:
    case = _case(dice, "failures for some hours", least_days=5.0)
    begin = dice.uniform(0.2, 0.5)
    case.plan.fails_whole = lambda moment: 0.5 if begin <= moment.share < begin + 0.08 else 0.02
    return case


def slow_growth(dice: Random) -> Case:
    case = _case(dice, "slow but constant growth")
    case.plan.tokens = lambda moment, call: 1 + 0.12 * moment.share
    case.plan.slowness = lambda moment, name: 1 + 0.1 * moment.share
    return case


def little_context(dice: Random) -> Case:
    case = _case(dice, "prompts grow a little")
    loop = [Node("chat", MODEL, 20.0, 0.3), Node("peek", TOOL, 20.0, 0.3)]
    case.plan.paths[0][1][1:1] = [Node("", TOOL, children=loop, rounds=(3, 5))]
    case.plan.tokens = lambda moment, call: 1 + 0.05 * call
    return case


def rounds_with_progress(dice: Random) -> Case:
    case = _case(dice, "long loops with progress")
    case.plan.records_values = True
    case.plan.stuck = (one_tool(dice, case.plan).name, 0.15, dice.randint(8, 16), True)
    return case


def many_rounds(dice: Random) -> Case:
    case = _case(dice, "successful runs need many rounds")
    tool = tools_of(case.plan.paths[0][1])[0]
    loop = [Node("turn_page", TOOL, tool.median_ms / 20, 0.3)]
    case.plan.paths[0][1][1:1] = [Node("", TOOL, children=loop, rounds=(2, 9))]
    return case


def polling(dice: Random) -> Case:
    case = _case(dice, "polling")
    case.plan.records_values = True
    case.plan.repeats = (one_tool(dice, case.plan).name, dice.uniform(0.2, 0.6), True)
    return case


def rare_duplicates(dice: Random) -> Case:
    case = _case(dice, "rare duplicate calls", least_runs=400)
    case.plan.records_values = True
    case.plan.repeats = (one_tool(dice, case.plan).name, 0.015, False)
    return case


def equal_paths(dice: Random) -> Case:
    case = _case(dice, "two paths that fare alike")
    second_path(dice, case.plan, dice.uniform(0.3, 0.5))
    case.plan.fails_whole = lambda moment: 0.06
    return case


def harmless_inputs(dice: Random) -> Case:
    case = _case(dice, "inputs that do not matter")
    case.plan.records_values = True

    def inputs(dice: Random) -> Mapping[str, Any]:
        return {
            "request": f"r{dice.getrandbits(40):x}",
            **{f"key{n}": dice.choice(("a", "b", "c", "d")) for n in range(10)},
        }

    case.plan.inputs = lambda dice: dict(inputs(dice))
    case.plan.fails_whole = lambda moment: 0.1
    return case


def hangs(dice: Random) -> Case:
    case = _case(dice, "rare hangs", least_runs=300)
    case.plan.fail_rate = 0.0
    step = one_tool(dice, case.plan)
    limit_ms, rare = step.median_ms * 30, max(case.plan.runs // 4, 4)
    case.plan.limit_ms = lambda name: limit_ms
    case.plan.slowness = lambda moment, name: 100.0 if name == step.name and moment.number % rare == 3 else 1.0
    return case


def few_runs(dice: Random) -> Case:
    """A strong pattern of any kind, in fewer runs than anything is said about."""
    made = PLANTED[dice.choice(sorted(PLANTED))](dice, base_plan(dice))
    made.plan.runs = dice.randint(20, 49)
    return Case("too few runs", made.plan, None)


NEAR_MISSES: Mapping[str, Callable[[Random], Case]] = {
    maker.__name__: maker
    for maker in (
        slow_but_healthy, large_share, daily_rise, one_burst, weekly_season, slow_nights, even_errors, even_retries,
        unchanged_release, passing_slowness, fresh_slowness, passing_failures, slow_growth, little_context,
        rounds_with_progress, many_rounds, polling, rare_duplicates, equal_paths, harmless_inputs, hangs, few_runs,
    )
}  # fmt: skip
