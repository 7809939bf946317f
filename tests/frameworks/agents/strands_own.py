"""Strands with its own telemetry, streaming."""

import desk
from strands import Agent, tool
from strands.models.openai import OpenAIModel


async def run(prompt: str) -> str:
    agent = Agent(
        name="strands_desk",
        model=OpenAIModel(model_id="gpt-4o-mini"),
        system_prompt=desk.INSTRUCTIONS,
        tools=[tool(desk.lookup_order), tool(desk.refund_policy)],
        trace_attributes={"session.id": "session-" + prompt[13:21]},
        callback_handler=None,
    )
    return str(await agent.invoke_async(prompt)).strip()


desk.work_off(run)
