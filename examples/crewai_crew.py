"""A crew of CrewAI, whose model calls come from OpenAI's SDK. Nothing in here knows of Stepwell.

pip install stepwell crewai openinference-instrumentation-crewai openinference-instrumentation-openai
stepwell instrument -- python examples/crewai_crew.py
"""

import refunds
from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool

clerk = Agent(
    role="refund_clerk",
    goal=refunds.INSTRUCTIONS,
    backstory="You know all orders.",
    llm=LLM("openai/gpt-4o-mini"),
    tools=[tool(refunds.lookup_order), tool(refunds.refund_policy)],
)


async def answer(prompt: str) -> str:
    task = Task(description=prompt, expected_output="What was refunded.", agent=clerk)
    result = await Crew(name="refund_crew", agents=[clerk], tasks=[task]).kickoff_async()
    return result.raw


refunds.main(answer)
