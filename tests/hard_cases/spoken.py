"""The same spans as several dialects write them, so that each hard case is asked in more than one of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
from tests.spans import Sent

Attributes = dict[str, Any]
MODEL: Final = "gpt-4o"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A dialect's words: attributes of each kind of span, with ``{}`` where its name stands."""

    name: str
    agent_of: Attributes
    model_of: Attributes
    tool_of: Attributes
    usage_of: tuple[str, str]
    output_of: str
    scope: str

    def agent(self, key: str, usage: tuple[int, int] | None = None, **more: Any) -> Sent:
        """An agent, `called` as its key; without `output` it was cut off, or its instrumentation keeps it to itself."""
        output, called = more.pop("output", "done"), more.pop("called", key)
        told = self._usage(usage) | ({self.output_of: output} if output else {})
        return self._sent(key, self._filled(self.agent_of, called) | told, more)

    def model(self, key: str, usage: tuple[int, int] | None = (100, 10), **more: Any) -> Sent:
        """A model call; one without usage returned nothing."""
        answer = {self.output_of: "hello"} if usage else {}
        return self._sent(key, self.model_of | self._usage(usage) | answer, more)

    def tool(self, key: str, output: str | None = "ok", **more: Any) -> Sent:
        """A call of a tool that is `called` as its key."""
        called = more.pop("called", key)
        told = {self.output_of: output} if output else {}
        return self._sent(key, self._filled(self.tool_of, called) | told, more)

    def _usage(self, usage: tuple[int, int] | None) -> Attributes:
        if usage is None:
            return {}
        if self.usage_of[0] == self.usage_of[1]:
            return {self.usage_of[0]: json.dumps({"input": usage[0], "output": usage[1]})}
        return dict(zip(self.usage_of, usage, strict=True))

    def _sent(self, key: str, attributes: Attributes, more: Mapping[str, Any]) -> Sent:
        return Sent(key, attributes | more.get("attributes", {}), **{"scope": self.scope, **_without(more)})

    def _filled(self, attributes: Attributes, name: str) -> Attributes:
        return {key: value.format(name) for key, value in attributes.items()}


def _without(more: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in more.items() if key != "attributes"}


GENAI: Final = Spoken(
    name="genai",
    agent_of={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "{}"},
    model_of={"gen_ai.operation.name": "chat", "gen_ai.request.model": MODEL},
    tool_of={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "{}"},
    usage_of=("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
    output_of="gen_ai.output.messages",
    scope="any.agents",
)
OPENINFERENCE: Final = Spoken(
    name="openinference",
    agent_of={"openinference.span.kind": "AGENT", "agent.name": "{}"},
    model_of={"openinference.span.kind": "LLM", "llm.model_name": MODEL},
    tool_of={"openinference.span.kind": "TOOL", "tool.name": "{}"},
    usage_of=("llm.token_count.prompt", "llm.token_count.completion"),
    output_of="output.value",
    scope="openinference.instrumentation.any",
)
TRACELOOP: Final = Spoken(
    name="traceloop",
    agent_of={"traceloop.span.kind": "agent", "traceloop.entity.name": "{}"},
    model_of={"llm.request.type": "chat", "gen_ai.request.model": MODEL},
    tool_of={"traceloop.span.kind": "tool", "traceloop.entity.name": "{}"},
    usage_of=("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"),
    output_of="traceloop.entity.output",
    scope="opentelemetry.instrumentation.any",
)
LANGFUSE: Final = Spoken(
    name="langfuse",
    agent_of={"langfuse.observation.type": "agent", "gen_ai.agent.name": "{}"},
    model_of={"langfuse.observation.type": "generation", "langfuse.observation.model.name": MODEL},
    tool_of={"langfuse.observation.type": "tool", "gen_ai.tool.name": "{}"},
    usage_of=("langfuse.observation.usage_details", "langfuse.observation.usage_details"),
    output_of="langfuse.observation.output",
    scope="langfuse-sdk",
)
SPOKEN: Final = (GENAI, OPENINFERENCE, TRACELOOP, LANGFUSE)
in_every_dialect: Final = pytest.mark.parametrize("says", [pytest.param(spoken, id=spoken.name) for spoken in SPOKEN])
