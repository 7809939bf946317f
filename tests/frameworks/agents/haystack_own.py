"""Haystack's agent with its own telemetry."""

import desk
from haystack import tracing
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import create_tool_from_function
from haystack_integrations.tracing.opentelemetry import OpenTelemetryTracer
from opentelemetry import trace

tracing.enable_tracing(OpenTelemetryTracer(trace.get_tracer("my-app")))
tracing.tracer.is_content_tracing_enabled = True

agent = Agent(
    chat_generator=OpenAIChatGenerator(model="gpt-4o-mini"),
    tools=[create_tool_from_function(desk.lookup_order), create_tool_from_function(desk.refund_policy)],
    system_prompt=desk.INSTRUCTIONS,
)


async def run(prompt: str) -> str:
    result = await agent.run_async(messages=[ChatMessage.from_user(prompt)])
    return result["last_message"].text


desk.work_off(run)
