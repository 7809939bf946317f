"""Made-up runs of agents as OTLP spans, with what they add up to: the load of the benchmarks.

A run is an agent with model and tool calls in turn, sometimes a second agent below it, tool calls that fail and are
repaired, and runs that fail. No two texts are alike, so that no cache knows them; names and models repeat, as they do.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from bench.texts import Texts
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

Payload = Literal["large", "small"]

AGENTS: Final = 20
SHORTEST, LONGEST = 8, 60
"""Spans of a run."""
SHORTEST_WITH_SECOND_AGENT: Final = 20
MODELS: Final = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "claude-haiku-4-5", "gemini-2.5-pro")
TOOLS: Final = ("search", "query", "read_file", "write_file", "fetch", "python", "lookup", "mail", "calendar", "rank")
ERRORS: Final = (
    ("TimeoutError", "no answer of the tool within 30 s"),
    ("RateLimitError", "429 too many requests"),
    ("ValidationError", "2 fields of the arguments are not valid"),
    ("ConnectionError", "connection reset by peer"),
)
SECOND_AGENT_CHANCE: Final = 0.3
TOOL_FAILURE_CHANCE: Final = 0.03
MS: Final = 1_000_000

Value = str | int | float | list[str]


@dataclass(frozen=True, slots=True)
class Sentences:
    """How many sentences (some 85 characters each) the texts of a payload have, at least and at most."""

    asked: tuple[int, int]
    answered: tuple[int, int]
    result: tuple[int, int]


SENTENCES: Final[dict[Payload, Sentences]] = {
    "large": Sentences(asked=(11, 43), answered=(3, 10), result=(2, 12)),
    "small": Sentences(asked=(1, 1), answered=(1, 1), result=(1, 1)),
}
"""Spans of some 1,900 and of some 500 bytes on average."""


@dataclass(slots=True)
class Sum:
    """What some runs of one agent add up to; what the API has to tell in the end."""

    executions: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(slots=True)
class Run:
    """The spans of one run in the order of their ends, the agent last."""

    agent: int
    trace_id: bytes
    start_ns: int
    spans: list[Span] = field(default_factory=list)
    added: Sum = field(default_factory=lambda: Sum(executions=1))


def agent_name(agent: int) -> str:
    """What the agent of this number is called."""
    return f"bench-agent-{agent:02d}"


class RunMaker:
    """Makes run after run; the same ones for the same seed and time, whatever else happens."""

    def __init__(self, seed: int, payload: Payload, now_ns: int, spread_s: float) -> None:
        """Runs start up to `spread_s` before `now_ns`."""
        self._chance = random.Random(seed)
        self._texts = Texts.make(random.Random(seed))
        self._sentences = SENTENCES[payload]
        self._now_ns, self._spread_ns = now_ns, round(spread_s * 1e9)
        self._weights = [1 / (number + 1) ** 0.7 for number in range(AGENTS)]

    def make(self) -> Run:
        """A further run; frequent agents have more."""
        chance = self._chance
        agent = chance.choices(range(AGENTS), self._weights)[0]
        start_ns = (self._now_ns - chance.randrange(self._spread_ns)) // MS * MS
        run = Run(agent, chance.randbytes(16), start_ns)
        _Course(run, chance, self._texts, self._sentences).play(chance.randint(SHORTEST, LONGEST))
        return run


class _Course:
    """Writes the spans of one run, one after the other."""

    def __init__(self, run: Run, chance: random.Random, texts: Texts, sentences: Sentences) -> None:
        self._run, self._chance, self._texts, self._sentences = run, chance, texts, sentences
        self._root_id = chance.randbytes(8)
        self._at_ns = run.start_ns
        self._model = chance.choice(MODELS)

    def play(self, count: int) -> None:
        """Fills the run with that many spans."""
        fails = self._chance.random() < 0.04 + 0.01 * (self._run.agent % 7)
        steps = count - 1
        if count >= SHORTEST_WITH_SECOND_AGENT and self._chance.random() < SECOND_AGENT_CHANCE:
            inner = self._chance.randint(3, 7)
            steps -= inner + 1
            self._second_agent(inner)
        for number in range(steps):
            is_last = number == steps - 1
            if number % 2 == steps % 2 and not is_last:
                self._tool(self._root_id, fails=self._chance.random() < TOOL_FAILURE_CHANCE)
            else:
                self._chat(self._root_id, "tool_calls" if number < steps - 2 else "stop", fails=fails and is_last)
        self._agent(fails=fails)

    def _second_agent(self, inner: int) -> None:
        span_id, start_ns = self._chance.randbytes(8), self._at_ns
        for number in range(inner):
            if number % 2 == inner % 2:
                self._tool(span_id, fails=False)
            else:
                self._chat(span_id, "tool_calls" if number < inner - 1 else "stop", fails=False)
        name = f"{agent_name(self._run.agent)}-second"
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name, "stepwell.output": self._quoted(1),
        }  # fmt: skip
        self._add(span_id, self._root_id, f"invoke_agent {name}", start_ns, self._at_ns, attributes)

    def _chat(self, parent: bytes, reason: str, *, fails: bool) -> None:
        chance, wanted = self._chance, self._sentences
        given, returned = chance.randint(200, 6_000), chance.randint(20, 900)
        self._run.added.prompt_tokens += given
        self._run.added.completion_tokens += returned
        asked, answered = self._text(*wanted.asked), self._text(*wanted.answered)
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": self._model,
            "gen_ai.request.temperature": 0.7,
            "gen_ai.usage.input_tokens": given,
            "gen_ai.usage.output_tokens": returned,
            "gen_ai.response.finish_reasons": [reason],
            "gen_ai.input.messages": f'[{{"role":"user","parts":[{{"type":"text","content":"{asked}"}}]}}]',
            "gen_ai.output.messages": f'[{{"role":"assistant","parts":[{{"type":"text","content":"{answered}"}}]}}]',
        }
        self._step(parent, f"chat {self._model}", attributes, 1_200, fails=fails)

    def _tool(self, parent: bytes, *, fails: bool) -> None:
        tool = self._chance.choice(TOOLS)
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            "gen_ai.tool.call.id": self._chance.randbytes(8).hex(),
            "gen_ai.tool.call.arguments": json.dumps({"query": self._text(1, 1)}),
            "gen_ai.tool.call.result": self._text(*self._sentences.result),
        }
        self._step(parent, f"execute_tool {tool}", attributes, 300, fails=fails)

    def _agent(self, *, fails: bool) -> None:
        run = self._run
        name = agent_name(run.agent)
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": name,
            "gen_ai.conversation.id": run.trace_id[:6].hex(),
            "user.id": f"user-{self._chance.randrange(1_000)}",
            "stepwell.input": self._quoted(2),
        }
        if fails:
            run.added.failed = 1
        else:
            attributes["stepwell.output"] = self._quoted(2)
        self._add(
            self._root_id, b"", f"invoke_agent {name}", run.start_ns, self._at_ns + MS, attributes,
            error=("RunError", "the run failed") if fails else None,
        )  # fmt: skip

    def _step(self, parent: bytes, name: str, attributes: dict[str, Value], typical_ms: int, *, fails: bool) -> None:
        start_ns = self._at_ns + 2 * MS
        self._at_ns = start_ns + round(self._chance.lognormvariate(0, 0.8) * typical_ms) * MS
        error = self._chance.choice(ERRORS) if fails else None
        self._add(self._chance.randbytes(8), parent, name, start_ns, self._at_ns, attributes, error=error)

    def _add(
        self, span_id: bytes, parent: bytes, name: str, start_ns: int, end_ns: int, attributes: dict[str, Value],
        *, error: tuple[str, str] | None = None,
    ) -> None:  # fmt: skip
        is_chat = name.startswith("chat ")
        span = Span(
            trace_id=self._run.trace_id,
            span_id=span_id,
            parent_span_id=parent,
            name=name,
            kind=Span.SPAN_KIND_CLIENT if is_chat else Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=start_ns,
            end_time_unix_nano=end_ns,
            attributes=[attribute(key, value) for key, value in attributes.items()],
            flags=0x100,
        )
        if error:
            span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=error[1]))
            told = {"exception.type": error[0], "exception.message": error[1], "exception.stacktrace": self._text(4, 8)}
            event = Span.Event(time_unix_nano=end_ns, name="exception")
            event.attributes.extend([attribute(key, value) for key, value in told.items()])
            span.events.append(event)
        self._run.spans.append(span)

    def _text(self, least: int, most: int) -> str:
        return self._texts.text(self._chance, self._chance.randint(least, most))

    def _quoted(self, sentences: int) -> str:
        return f'"{self._texts.text(self._chance, sentences)}"'


def attribute(key: str, value: Value) -> KeyValue:
    """The pair as OTLP writes it."""
    return KeyValue(key=key, value=_any(value))


def _any(value: Value | Sequence[str]) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=text) for text in value]))
