"""OpenAI's Agents SDK through OpenInference, on OpenAI's responses."""

import desk
from agents import Agent, RunConfig, Runner, function_tool
from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

OpenAIAgentsInstrumentor().instrument()

agent = Agent(
    name="agents_desk",
    instructions=desk.INSTRUCTIONS,
    model="gpt-4o-mini",
    tools=[function_tool(desk.lookup_order), function_tool(desk.refund_policy)],
)


async def run(prompt: str) -> str:
    result = await Runner.run(agent, prompt, run_config=RunConfig(group_id="session-" + prompt[13:21]))
    return result.final_output


desk.work_off(run)
