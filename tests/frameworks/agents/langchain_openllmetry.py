"""LangChain's agent, a LangGraph, through OpenLLMetry."""

import desk
from langchain.agents import create_agent
from langchain.agents.middleware import wrap_tool_call
from langchain.messages import ToolMessage
from opentelemetry.instrumentation.langchain import LangchainInstrumentor

LangchainInstrumentor().instrument()


@wrap_tool_call
async def tell_errors(request, handler):
    try:
        return await handler(request)
    except desk.OrderNotFoundError as error:
        return ToolMessage(str(error), tool_call_id=request.tool_call["id"], status="error")


agent = create_agent(
    "openai:gpt-4o-mini",
    tools=[desk.lookup_order, desk.refund_policy],
    system_prompt=desk.INSTRUCTIONS,
    middleware=[tell_errors],
    name="openllmetry_desk",
)


async def run(prompt: str) -> str:
    state = {"messages": [{"role": "user", "content": prompt}]}
    result = await agent.ainvoke(state, config={"metadata": {"session_id": "session-" + prompt[13:21]}})
    return result["messages"][-1].content


desk.work_off(run)
