"""An agent of pydantic-ai. Nothing in here knows of Stepwell.

pip install stepwell 'pydantic-ai-slim[openai]'
stepwell instrument -- python examples/pydantic_ai_agent.py
"""

import refunds
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel

agent = Agent(
    OpenAIChatModel("gpt-4o-mini"),
    name="refund_agent",
    instructions=refunds.INSTRUCTIONS,
    tools=[refunds.lookup_order, refunds.refund_policy],
)


async def answer(prompt: str) -> str:
    result = await agent.run(prompt)
    return result.output


refunds.main(answer)
