"""An agent of OpenAI's Agents SDK. Nothing in here knows of Stepwell.

pip install stepwell openai-agents openinference-instrumentation-openai-agents
stepwell instrument -- python examples/openai_agents_agent.py
"""

import refunds
from agents import Agent, Runner, function_tool

agent = Agent(
    name="refund_clerk",
    instructions=refunds.INSTRUCTIONS,
    model="gpt-4o-mini",
    tools=[function_tool(refunds.lookup_order), function_tool(refunds.refund_policy)],
)


async def answer(prompt: str) -> str:
    result = await Runner.run(agent, prompt)
    return result.final_output


refunds.main(answer)
