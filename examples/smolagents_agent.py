"""An agent of smolagents. Nothing in here knows of Stepwell.

pip install stepwell 'smolagents[openai]' openinference-instrumentation-smolagents
stepwell instrument -- python examples/smolagents_agent.py
"""

import refunds
from smolagents import OpenAIModel, ToolCallingAgent, tool

agent = ToolCallingAgent(
    [tool(refunds.lookup_order), tool(refunds.refund_policy)],
    OpenAIModel("gpt-4o-mini"),
    instructions=refunds.INSTRUCTIONS,
    name="refund_smith",
    verbosity_level=0,
)


async def answer(prompt: str) -> str:
    return agent.run(prompt)


refunds.main(answer)
