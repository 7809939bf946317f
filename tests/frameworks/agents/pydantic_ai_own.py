"""pydantic-ai with its own telemetry, on OpenAI's chat completions."""

import desk
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.models.openai import OpenAIChatModel

Agent.instrument_all()

agent = Agent(OpenAIChatModel("gpt-4o-mini"), name="pydantic_desk", instructions=desk.INSTRUCTIONS)
agent.tool_plain(desk.refund_policy)


@agent.tool_plain
def lookup_order(order_id: str) -> str:
    """Tells the amount of an order."""
    try:
        return desk.lookup_order(order_id)
    except desk.OrderNotFoundError as error:
        raise ModelRetry(str(error)) from error


async def run(prompt: str) -> str:
    result = await agent.run(prompt, conversation_id="session-" + prompt[13:21])
    return result.output


desk.work_off(run)
