"""Microsoft's Agent Framework with its own telemetry, on OpenAI's responses."""

import desk
from agent_framework import Agent
from agent_framework.observability import enable_instrumentation
from agent_framework.openai import OpenAIChatClient

enable_instrumentation(enable_sensitive_data=True)

agent = Agent(
    OpenAIChatClient(model="gpt-4o-mini"),
    desk.INSTRUCTIONS,
    name="framework_desk",
    tools=[desk.lookup_order, desk.refund_policy],
)


async def run(prompt: str) -> str:
    result = await agent.run(prompt)
    return result.text


desk.work_off(run)
