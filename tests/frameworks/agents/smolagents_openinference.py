"""smolagents through OpenInference; it runs synchronously, so that the model's client has the time limit."""

import desk
from openinference.instrumentation.smolagents import SmolagentsInstrumentor
from smolagents import OpenAIModel, ToolCallingAgent, tool

SmolagentsInstrumentor().instrument()

model = OpenAIModel("gpt-4o-mini", client_kwargs={"timeout": desk.TIME_LIMIT_S, "max_retries": 0})
tools = [tool(desk.lookup_order), tool(desk.refund_policy)]
agent = ToolCallingAgent(tools, model, instructions=desk.INSTRUCTIONS, name="smolagents_desk", verbosity_level=0)


async def run(prompt: str) -> str:
    return agent.run(prompt)


desk.work_off(run, limit_s=None)
