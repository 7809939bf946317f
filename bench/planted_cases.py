"""What is planted: agents with one pattern each, agents without any, and near misses of each kind."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from bench.planted import AGENT, MODEL, TOOL, Moment, Node, Plan

from stepwell_api.insight.finding import Kind

TOOLS = (
    "search_web", "fetch_page", "lookup_order", "read_file", "query_db", "send_mail", "rank_hits", "translate",
    "get_weather", "check_stock", "render_chart", "call_crm", "parse_invoice", "geocode", "price_quote", "load_policy",
    "score_risk", "write_note", "sync_calendar", "convert_units",
)  # fmt: skip
NEWEST_START = datetime(2026, 9, 7, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Case:
    """A plan with its label."""

    name: str
    plan: Plan
    kind: Kind | None
    """``None`` where nothing is to be suggested."""
    is_right: Callable[[Mapping[str, Any]], bool] = lambda target: True
    """Whether a suggestion's target is what was planted."""


Maker = Callable[[Random, Plan], Case]


def base_plan(dice: Random, *, least_runs: int = 120, least_days: float = 3.0) -> Plan:
    """An ordinary agent: no step dominates, errors are rare and evenly spread, load is even."""
    days = dice.choice([d for d in (1.0, 2.0, 3.0, 5.0, 7.0, 7.0, 10.0, 14.0, 21.0, 30.0) if d >= least_days])
    runs = round(math.exp(dice.uniform(math.log(least_runs), math.log(max(1200, least_runs * 2)))))
    start = NEWEST_START + timedelta(hours=dice.randrange(24 * 40))
    plan = Plan("", start, days, runs, [(1.0, _ordinary_steps(dice))])
    plan.records_values = dice.random() < 0.75
    plan.fail_rate = dice.choice((0.0, 0.002, 0.006))
    plan.agent_id = f"agent-{dice.getrandbits(32):08x}"
    if dice.random() < 0.3:
        plan.version = lambda share, dice: "1.4.0"
    return plan


def _ordinary_steps(dice: Random) -> list[Node]:
    """Tools between model calls; some of them side by side, some within another agent."""
    count = min(3 + int(dice.expovariate(1 / 5)), 20)
    scale = math.exp(dice.uniform(math.log(80), math.log(4000)))
    sigma = dice.uniform(0.15, 0.6)
    names = dice.sample(TOOLS, count)
    tools = [Node(name, TOOL, scale * dice.uniform(0.7, 1.4), sigma) for name in names]
    model_ms = scale * count * 0.3 / 0.7 / 3
    nodes: list[Node] = [Node("chat", MODEL, model_ms, sigma)]
    while tools:
        size = dice.randint(1, 4)
        taken, tools = tools[:size], tools[size:]
        nodes += _arranged(dice, taken)
        if dice.random() < 0.4 and len([node for node in nodes if node.kind == MODEL]) < 2:
            nodes.append(Node("chat", MODEL, model_ms, sigma))
    nodes.append(Node("chat", MODEL, model_ms, sigma))
    _bound_models(nodes)
    return nodes


def _bound_models(nodes: list[Node]) -> None:
    """Makes all model calls together take at most four tenths of a run, since they share a name."""
    models = [node for node in nodes if node.kind == MODEL]
    spent_ms = sum(length_ms(node) for node in models)
    rest_ms = sum(length_ms(node) for node in nodes) - spent_ms
    factor = min(1.0, rest_ms * 0.4 / 0.6 / spent_ms)
    for node in models:
        node.median_ms *= factor


def _arranged(dice: Random, tools: list[Node]) -> list[Node]:
    shape = dice.random()
    if len(tools) > 1 and shape < 0.2:
        return [Node("", TOOL, children=tools, is_parallel=True)]
    if shape < 0.3:
        return [Node("researcher", AGENT, children=tools)]
    return tools


def tools_of(nodes: list[Node]) -> list[Node]:
    """All tool calls of a plan's steps."""
    found = []
    for node in nodes:
        found += tools_of(node.children) if node.children else [node] if node.kind == TOOL else []
    return found


def one_tool(dice: Random, plan: Plan) -> Node:
    """A tool that runs once in a run, and not beside others."""
    sequential = [node for node in plan.paths[0][1] if node.kind == TOOL and not node.children]
    if not sequential:
        node = Node("archive", TOOL, tools_of(plan.paths[0][1])[0].median_ms, 0.3)
        plan.paths[0][1].insert(1, node)
        return node
    return dice.choice(sequential)


def _is_step(name: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda target: target["step_name"] == name


def bottleneck(dice: Random, plan: Plan) -> Case:
    step = one_tool(dice, plan)
    give_share(plan, step, dice.uniform(0.58, 0.85))
    return Case("bottleneck", plan, Kind.BOTTLENECK_STEP, _is_step(step.name))


def give_share(plan: Plan, step: Node, share: float) -> None:
    """Makes the step take about this share of a run."""
    rest = sum(length_ms(node) for node in plan.paths[0][1] if node is not step)
    step.median_ms = rest * share / (1 - share)


def length_ms(node: Node) -> float:
    if not node.children:
        return node.median_ms * math.exp(node.sigma**2 / 2)
    lengths = [length_ms(child) for child in node.children]
    return (max(lengths) if node.is_parallel else sum(lengths)) * sum(node.rounds) / 2


def failing_step(dice: Random, plan: Plan) -> Case:
    step, rate = one_tool(dice, plan), dice.uniform(0.12, 0.4)
    plan.runs = max(plan.runs, round(25 / rate))
    plan.fails = lambda moment, name, attempt: rate if name == step.name else 0.0
    return Case("failing step", plan, Kind.FAILING_STEP, _is_step(step.name))


def _runs_to_show(plan: Plan, rate: float, share: float) -> int:
    """Runs with which a part of them that fails at this rate stands six standard deviations out of what else fails."""
    calls = len(tools_of(plan.paths[0][1])) + 3
    base = 1 - (1 - 0.02) * (1 - plan.fail_rate) ** calls
    more = (1 - base) * (rate - 0.02)
    usual = base + share * more
    return round(36 * usual * (1 - usual) / (share * (1 - share) * more**2))


def failing_input(dice: Random, plan: Plan) -> Case:
    plan.records_values, share, rate = True, dice.uniform(0.2, 0.45), dice.uniform(0.22, 0.5)
    plan.runs = max(plan.runs, _runs_to_show(plan, rate, share), round(45 / share))
    by_presence = dice.random() < 0.4
    key, bad = dice.choice((("region", "eu"), ("tier", "free"), ("language", "fr")))

    def inputs(dice: Random) -> dict[str, Any]:
        given = {"request": f"r{dice.getrandbits(40):x}", "channel": dice.choice(("mail", "chat", "phone"))}
        if by_presence:
            return {**given, "attachment": f"f{dice.getrandbits(30):x}.pdf"} if dice.random() < share else given
        return {**given, key: bad if dice.random() < share else dice.choice(("a1", "b2"))}

    def is_bad(moment: Moment) -> bool:
        return "attachment" in moment.input if by_presence else moment.input[key] == bad

    plan.inputs = inputs
    plan.fails_whole = lambda moment: rate if is_bad(moment) else 0.02
    expected = (
        {"input_key": "attachment", "input_value": None} if by_presence else {"input_key": key, "input_value": bad}
    )
    return Case("failing input", plan, Kind.FAILING_INPUT, lambda target: dict(target) == expected)


def flaky_step(dice: Random, plan: Plan) -> Case:
    step, rate = one_tool(dice, plan), dice.uniform(0.1, 0.35)
    plan.retries = {step.name: 4}
    plan.fails = lambda moment, name, attempt: (rate if attempt == 1 else 0.1) if name == step.name else 0.0
    return Case("flaky step", plan, Kind.FLAKY_STEP, _is_step(step.name))


def retry_waste(dice: Random, plan: Plan) -> Case:
    step, rate, hopeless = one_tool(dice, plan), dice.uniform(0.12, 0.3), dice.uniform(0.97, 1.0)
    plan.runs = max(plan.runs, round(25 / rate))
    plan.retries = {step.name: dice.randint(2, 4)}
    plan.fails = lambda moment, name, attempt: (rate if attempt == 1 else hopeless) if name == step.name else 0.0
    return Case("retry waste", plan, Kind.RETRY_WASTE, _is_step(step.name))


def stuck_loop(dice: Random, plan: Plan) -> Case:
    step = one_tool(dice, plan)
    plan.runs = max(plan.runs, 180)
    plan.stuck = (step.name, dice.uniform(0.08, 0.2), dice.randint(12, 40), False)
    return Case("stuck loop", plan, Kind.STUCK_LOOP, _is_step(step.name))


def duplicate_calls(dice: Random, plan: Plan) -> Case:
    step = one_tool(dice, plan)
    plan.records_values, plan.repeats = True, (step.name, dice.uniform(0.1, 0.6), False)
    return Case("duplicate calls", plan, Kind.DUPLICATE_CALLS, _is_step(step.name))


def parallelizable(dice: Random, plan: Plan) -> Case:
    plan.records_values = True
    free = [name for name in TOOLS if name not in {tool.name for tool in tools_of(plan.paths[0][1])}] or ["one", "two"]
    free = [*free, "list_users", "list_groups", "list_rights"]
    names = free[: dice.randint(2, 4)] if len(free) >= 4 else free[:2]
    scale = tools_of(plan.paths[0][1])[0].median_ms * dice.uniform(0.8, 1.2)
    group = [Node(name, TOOL, scale, 0.3, is_independent=True) for name in names]
    plan.paths[0][1][1:1] = [*group, Node("chat", MODEL, plan.paths[0][1][0].median_ms / 4, 0.3)]
    return Case(
        "parallelizable", plan, Kind.PARALLELIZABLE_STEPS, lambda target: set(target["step_names"]) == set(names)
    )


def _shift_at(dice: Random, plan: Plan) -> tuple[float, bool, Callable[[Mapping[str, Any]], bool]]:
    """(share of the window at which it begins, whether with a version, the check of the target)."""
    at, released = dice.uniform(0.35, 0.65), dice.random() < 0.5
    if released:
        plan.version = lambda share, dice: "2.0.0" if share >= at else "1.9.0"
    elif dice.random() < 0.5:
        other = (at + 0.3) % 0.8 + 0.05
        plan.version = lambda share, dice: "2.0.0" if share >= other else "1.9.0"
    since = plan.start + timedelta(days=at * plan.days)

    def is_right(target: Mapping[str, Any]) -> bool:
        told = datetime.fromisoformat(target["since"])
        is_near = abs((told - since) / timedelta(days=plan.days)) <= 0.15
        return is_near and target["version"] == ("2.0.0" if released else None)

    return at, released, is_right


def latency_regression(dice: Random, plan: Plan) -> Case:
    plan.runs = max(plan.runs, 200)
    at, _, is_right = _shift_at(dice, plan)
    factor = dice.uniform(1.35, 2.5)
    only = (
        dice.choice((None, one_tool(dice, plan).name)) if factor > 2 and len(tools_of(plan.paths[0][1])) < 4 else None
    )
    plan.slowness = lambda moment, name: factor if moment.share >= at and only in (None, name) else 1.0
    return Case("latency regression", plan, Kind.LATENCY_REGRESSION, is_right)


def failure_regression(dice: Random, plan: Plan) -> Case:
    plan.runs = max(plan.runs, 200)
    at, _, is_right = _shift_at(dice, plan)
    rate = dice.uniform(0.16, 0.4)
    plan.runs = max(plan.runs, _runs_to_show(plan, rate, 0.5))
    plan.fails_whole = lambda moment: rate if moment.share >= at else 0.02
    return Case("failure regression", plan, Kind.FAILURE_REGRESSION, is_right)


def token_growth(dice: Random, plan: Plan) -> Case:
    if dice.random() < 0.5:
        growth = dice.uniform(0.6, 2.0)
        plan.tokens = lambda moment, call: 1 + growth * moment.share
        return Case("tokens grow", plan, Kind.TOKEN_GROWTH)
    growth = dice.uniform(0.3, 0.6)
    plan.paths[0][1][1:1] = [Node("", TOOL, children=[Node("chat", MODEL, 20.0, 0.3), Node("peek", TOOL, 20.0, 0.3)],
                                  rounds=(4, 6))]  # fmt: skip
    plan.tokens = lambda moment, call: 1 + growth * call
    return Case("context grows", plan, Kind.TOKEN_GROWTH, _is_step("chat"))


def timeout_risk(dice: Random, plan: Plan) -> Case:
    plan.runs = max(plan.runs, 300)
    step = one_tool(dice, plan)
    step.sigma = dice.uniform(0.3, 0.6)
    limit_ms = step.median_ms * math.exp(step.sigma * dice.uniform(1.5, 1.9))
    plan.limit_ms = lambda name: limit_ms if name == step.name else math.inf
    return Case("timeout risk", plan, Kind.TIMEOUT_RISK, _is_step(step.name))


def peak_hours(dice: Random, plan: Plan) -> Case:
    plan.runs = max(plan.runs, 250)
    first, length = dice.randrange(24), dice.randint(2, 4)
    hours = {(first + offset) % 24 for offset in range(length)}
    weight = dice.uniform(3.5, 7.0)
    plan.hour_weights = [weight if hour in hours else 1.0 for hour in range(24)]
    slow = dice.choice((1.0, dice.uniform(1.4, 2.0)))
    plan.slowness = lambda moment, name: slow if moment.start.hour in hours else 1.0

    def is_right(target: Mapping[str, Any]) -> bool:
        told = set(target["hours"])
        return 2 * len(told & hours) > len(told | hours)

    return Case("peak hours", plan, Kind.PEAK_HOURS, is_right)


def second_path(dice: Random, plan: Plan, share: float) -> str:
    """Adds another way with a step of its own; gives that step's name."""
    steps = plan.paths[0][1]
    scale = tools_of(steps)[0].median_ms
    at = dice.randint(1, max(len(steps) // 3, 1))
    plan.paths = [(1 - share, steps), (share, [*steps[:at], Node("ask_expert", TOOL, scale, 0.3), *steps[at:]])]
    return "ask_expert"


def underperforming_path(dice: Random, plan: Plan) -> Case:
    share, rate = dice.uniform(0.25, 0.5), dice.uniform(0.25, 0.5)
    plan.runs = max(plan.runs, 2 * _runs_to_show(plan, rate, share))
    name = second_path(dice, plan, share)
    plan.fails_whole = lambda moment: rate if moment.path == 1 else 0.02
    return Case("worse path", plan, Kind.UNDERPERFORMING_PATH, lambda target: name in target["execution_path"])


PLANTED: Mapping[Kind, Maker] = {
    Kind.BOTTLENECK_STEP: bottleneck,
    Kind.FAILING_STEP: failing_step,
    Kind.FAILING_INPUT: failing_input,
    Kind.FLAKY_STEP: flaky_step,
    Kind.RETRY_WASTE: retry_waste,
    Kind.STUCK_LOOP: stuck_loop,
    Kind.DUPLICATE_CALLS: duplicate_calls,
    Kind.PARALLELIZABLE_STEPS: parallelizable,
    Kind.LATENCY_REGRESSION: latency_regression,
    Kind.FAILURE_REGRESSION: failure_regression,
    Kind.TOKEN_GROWTH: token_growth,
    Kind.TIMEOUT_RISK: timeout_risk,
    Kind.PEAK_HOURS: peak_hours,
    Kind.UNDERPERFORMING_PATH: underperforming_path,
}


def planted_case(kind: Kind, dice: Random) -> Case:
    """An agent with one pattern of the kind."""
    return PLANTED[kind](dice, base_plan(dice))


def quiet_case(dice: Random) -> Case:
    """An agent without any pattern."""
    return Case("quiet", base_plan(dice, least_runs=50, least_days=1.0), None)
