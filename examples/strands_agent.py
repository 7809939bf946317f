"""An agent of Strands, streaming. Nothing in here knows of Stepwell.

pip install stepwell 'strands-agents[openai]'
stepwell instrument -- python examples/strands_agent.py
"""

import refunds
from strands import Agent, tool
from strands.models.openai import OpenAIModel

agent = Agent(
    name="refund_strand",
    model=OpenAIModel(model_id="gpt-4o-mini"),
    system_prompt=refunds.INSTRUCTIONS,
    tools=[tool(refunds.lookup_order), tool(refunds.refund_policy)],
    callback_handler=None,
)


async def answer(prompt: str) -> str:
    return str(await agent.invoke_async(prompt)).strip()


refunds.main(answer)
