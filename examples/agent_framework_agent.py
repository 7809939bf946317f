"""An agent of Microsoft's Agent Framework, on OpenAI's responses. Nothing in here knows of Stepwell.

pip install stepwell agent-framework-core agent-framework-openai
stepwell instrument -- python examples/agent_framework_agent.py
"""

import refunds
from agent_framework import Agent
from agent_framework.openai import OpenAIChatClient

agent = Agent(
    OpenAIChatClient(model="gpt-4o-mini"),
    refunds.INSTRUCTIONS,
    name="refund_frame",
    tools=[refunds.lookup_order, refunds.refund_policy],
)


async def answer(prompt: str) -> str:
    result = await agent.run(prompt)
    return result.text


refunds.main(answer)
