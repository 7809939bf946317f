"""Runs of fifty agents as steps, mapped by the product's own code: what the data set copies with other ids and texts.

Where every run has something of its own, a template has a placeholder: `NUMBER`, `USER`, `SESSION`, and for texts
``slot<place>of<sentences>``, a single word.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stepwell_receiver import wire
from stepwell_receiver.mapping import map_request
from stepwell_storage.model import Step

AGENTS = 50
VARIANTS = 1
"""Templates of the same agent, outcome, version and environment, which differ in durations and tokens."""
VERSIONS = ("1.0.0", "1.1.0", "2.0.0")
ENVIRONMENTS = (("production", 0.8), ("staging", 0.15), ("development", 0.05))
OUTCOMES = (("success", 0.72), ("retried", 0.12), ("failed", 0.11), ("timeout", 0.05))
MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash")
SUBJECTS = ("refund", "invoice", "travel", "contract", "ticket", "claim", "candidate", "shipment", "report", "incident")
WORKS = ("planner", "researcher", "reviewer", "writer", "router")
TOOLS = ("search", "lookup", "fetch", "calculate", "update", "notify", "rank", "extract")
ERRORS = (
    ("ConnectionError", "connection to ledger-{0} refused by peer"),
    ("TimeoutError", "no answer from upstream {0} within 30 s"),
    ("ValueError", "field amount of order {0} is not a number"),
    ("RateLimitError", "429 too many requests, request {0}"),
    ("KeyError", "customer {0} has no address"),
)
MS = 1_000_000
BASE_NS = 1_790_000_000_000_000_000
"""When every template starts."""
NUMBER, USER, SESSION = "4242424242", "user-placeholder", "session-placeholder"


@dataclass(frozen=True, slots=True)
class Template:
    """The steps of a run, and how often it occurs."""

    steps: Sequence[Step]
    weight: float


def make_templates(chance: random.Random) -> list[Template]:
    """Every agent in every outcome, version and environment; agents' shares fall like 1/n."""
    return [
        Template(map_request(_request(_Run(plan, outcome, chance), version, environment), max_attribute_bytes=1 << 20),
                 outcome_share * environment_share / (agent + 1))
        for agent in range(AGENTS)
        for plan in [_plan(agent, chance)]
        for outcome, outcome_share in OUTCOMES
        for version in VERSIONS
        for environment, environment_share in ENVIRONMENTS
        for _ in range(VARIANTS)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an agent does: its tools in order, a model call before each and one at the end."""

    name: str
    model: str
    tools: tuple[str, ...]
    error: tuple[str, str]


def _plan(agent: int, chance: random.Random) -> _Plan:
    subject, work = SUBJECTS[agent % len(SUBJECTS)], WORKS[agent // len(SUBJECTS)]
    tools = tuple(f"{chance.choice(TOOLS)}_{subject}" for _ in range(chance.choice((3, 3, 4, 4, 5, 6))))
    return _Plan(f"{subject}_{work}", MODELS[agent % len(MODELS)], tools, ERRORS[agent % len(ERRORS)])


def _request(run: "_Run", version: str, environment: str) -> wire.TraceRequest:
    resource: wire.Attributes = {
        "service.name": f"{run.plan.name}-service",
        "service.version": version,
        "deployment.environment.name": environment,
    }
    return wire.TraceRequest([wire.SpanGroup(resource, wire.Scope("bench"), list(run.spans()))])


class _Run:
    """Makes the spans of one run, one after the other."""

    def __init__(self, plan: _Plan, outcome: str, chance: random.Random) -> None:
        self.plan = plan
        self._outcome = outcome
        self._chance = chance
        self._trace_id, self._root_id = chance.randbytes(16), chance.randbytes(8)
        self._at_ns = BASE_NS
        self._stretch = chance.lognormvariate(0, 0.7)
        self._texts = 0

    def spans(self) -> Iterator[wire.Span]:
        """Model and tool calls in turn, then the agent above them; a failure ends it or is repaired by a retry."""
        ends_well = self._outcome in ("success", "retried")
        for tool in self.plan.tools[:-1]:
            yield self._model("tool_calls")
            yield self._tool(tool)
        yield self._model("tool_calls")
        if self._outcome != "success":
            yield self._tool(self.plan.tools[-1], is_failure=True)
        if ends_well:
            yield self._tool(self.plan.tools[-1])
            yield self._model("stop")
        yield self._agent(ends_well=ends_well)

    def _text(self, sentences: int) -> str:
        self._texts += 1
        return f"slot{self._texts}of{sentences}"

    def _model(self, reason: str) -> wire.Span:
        chance, model = self._chance, self.plan.model
        given, returned = self._text(chance.randint(6, 12)), self._text(chance.randint(1, 5))
        attributes: wire.Attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model,
            "gen_ai.usage.input_tokens": chance.randint(200, 40_000),
            "gen_ai.usage.output_tokens": chance.randint(20, 8_000),
            "gen_ai.response.finish_reasons": [reason],
            "gen_ai.input.messages": f'[{{"role": "user", "content": "Order {NUMBER}: {given}"}}]',
            "gen_ai.output.messages": f'[{{"role": "assistant", "content": "{returned}"}}]',
            "gen_ai.request.temperature": 0.2,
        }
        return self._span(f"chat {model}", attributes, for_ms=chance.randint(300, 4000))

    def _tool(self, name: str, *, is_failure: bool = False) -> wire.Span:
        attributes: wire.Attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.arguments": f'{{"query": "{self._text(1)}"}}',
            "gen_ai.tool.call.result": f'{{"found": "{self._text(2)}"}}',
        }
        error = self.plan.error if is_failure else None
        return self._span(f"execute_tool {name}", attributes, for_ms=self._chance.randint(20, 1500), error=error)

    def _agent(self, *, ends_well: bool) -> wire.Span:
        attributes: wire.Attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": self.plan.name,
            "stepwell.input": f'{{"task": "{self._text(4)}", "order": "{NUMBER}"}}',
            "user.id": USER,
            "session.id": SESSION,
            "stepwell.trigger.type": "api",
        }
        if ends_well:
            attributes["stepwell.output"] = f'{{"answer": "{self._text(3)}"}}'
        error = ("TimeoutError", self.plan.error[1]) if self._outcome == "timeout" else self.plan.error
        return self._span(
            f"invoke_agent {self.plan.name}", attributes, is_root=True, error=None if ends_well else error
        )

    def _span(
        self, name: str, attributes: wire.Attributes, *,
        for_ms: int = 0, is_root: bool = False, error: tuple[str, str] | None = None,
    ) -> wire.Span:  # fmt: skip
        start_ns = BASE_NS if is_root else self._at_ns + MS
        end_ns = self._at_ns + MS if is_root else start_ns + round(for_ms * self._stretch) * MS
        self._at_ns = end_ns
        if error:
            attributes["error.type"] = error[0]
        return wire.Span(
            trace_id=self._trace_id,
            span_id=self._root_id if is_root else self._chance.randbytes(8),
            parent_span_id=b"" if is_root else self._root_id,
            name=name, kind=wire.KIND_INTERNAL, start_ns=start_ns, end_ns=end_ns, attributes=attributes,
            events=[], links=[], flags=0x100,
            status_code=wire.STATUS_ERROR if error else wire.STATUS_UNSET,
            status_message=error[1].format(NUMBER) if error else "",
        )  # fmt: skip
