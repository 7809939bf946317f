"""CrewAI through OpenInference, with that of its model's SDK.

Crews run in threads, which nobody can cancel, so that the model's client keeps the time.
"""

import desk
from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool
from openinference.instrumentation.crewai import CrewAIInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor

CrewAIInstrumentor().instrument()
OpenAIInstrumentor().instrument()


async def run(prompt: str) -> str:
    agent = Agent(
        role="crew_clerk",
        goal=desk.INSTRUCTIONS,
        backstory="You know all orders.",
        llm=LLM("openai/gpt-4o-mini", timeout=desk.TIME_LIMIT_S, max_retries=0),
        max_retry_limit=0,
        tools=[tool(desk.lookup_order), tool(desk.refund_policy)],
    )
    task = Task(description=prompt, expected_output="What was refunded.", agent=agent)
    crew = Crew(name="crewai_desk", agents=[agent], tasks=[task])
    return (await crew.kickoff_async()).raw


desk.work_off(run, limit_s=None)
