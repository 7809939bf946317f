"""Scripted models: what each answers is written down beforehand, and what was really played is counted.

A `Script` is the list of a model's turns in one agent run. pydantic-ai's `FunctionModel` plays it, so everything
around the model is the framework's own doing: the loop, the tools, the retries, the telemetry.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponsePart, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer of a model. Without `parts` it fails with `error`, or never comes where there is none."""

    parts: Sequence[ModelResponsePart] = ()
    error: Exception | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.05
    """How long the model thinks."""


@dataclass(slots=True)
class Totals:
    """What was sent of one run, as its models and tools were really called."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    hung: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a model no longer answers."""


@dataclass(slots=True)
class Script:
    """The turns of one agent's model, and the totals of the run that they count into."""

    model_name: str
    turns: Sequence[Turn]
    totals: Totals

    def model(self) -> FunctionModel:
        """A model that plays the turns from the first to the last."""
        remaining = iter(self.turns)

        async def play(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            return await self._answer(next(remaining))

        return FunctionModel(play, model_name=self.model_name)

    async def _answer(self, turn: Turn) -> ModelResponse:
        self.totals.model_calls += 1
        await asyncio.sleep(turn.seconds)
        if turn.error is not None:
            raise turn.error
        if not turn.parts:
            self.totals.hung.set()
            await asyncio.Event().wait()  # until whoever waits for it gives up
        self.totals.prompt_tokens += turn.prompt_tokens
        self.totals.completion_tokens += turn.completion_tokens
        self.totals.tool_calls += sum(isinstance(part, ToolCallPart) for part in turn.parts)
        usage = RequestUsage(input_tokens=turn.prompt_tokens, output_tokens=turn.completion_tokens)
        return ModelResponse(parts=list(turn.parts), usage=usage)


def say(text: str, **numbers: Any) -> Turn:
    """The model's final answer."""
    return Turn(parts=[TextPart(text)], **numbers)


def call(*calls: tuple[str, dict[str, Any]], **numbers: Any) -> Turn:
    """The model asks for tools, several of them at once where several are named."""
    return Turn(parts=[ToolCallPart(tool, arguments) for tool, arguments in calls], **numbers)
