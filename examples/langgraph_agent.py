"""LangChain's agent, which is a LangGraph. Nothing in here knows of Stepwell.

pip install stepwell langchain langchain-openai openinference-instrumentation-langchain
stepwell instrument -- python examples/langgraph_agent.py
"""

import refunds
from langchain.agents import create_agent

agent = create_agent(
    "openai:gpt-4o-mini",
    tools=[refunds.lookup_order, refunds.refund_policy],
    system_prompt=refunds.INSTRUCTIONS,
    name="refund_graph",
)


async def answer(prompt: str) -> str:
    result = await agent.ainvoke({"messages": [{"role": "user", "content": prompt}]})
    return result["messages"][-1].content


refunds.main(answer)
