"""agno through OpenInference."""

import desk
from agno.agent import Agent
from agno.models.openai import OpenAIChat
from openinference.instrumentation.agno import AgnoInstrumentor

AgnoInstrumentor().instrument()

agent = Agent(
    name="agno_desk",
    model=OpenAIChat(id="gpt-4o-mini"),
    instructions=desk.INSTRUCTIONS,
    tools=[desk.lookup_order, desk.refund_policy],
    telemetry=False,
)


async def run(prompt: str) -> str:
    result = await agent.arun(prompt, session_id="session-" + prompt[13:21])
    return result.content


desk.work_off(run)
