"""LlamaIndex's agent through OpenInference, streaming."""

import desk
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai import OpenAI
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor

LlamaIndexInstrumentor().instrument()


async def run(prompt: str) -> str:
    agent = FunctionAgent(
        name="llamaindex_desk",
        description="Refunds orders.",
        system_prompt=desk.INSTRUCTIONS,
        tools=[desk.lookup_order, desk.refund_policy],
        llm=OpenAI("gpt-4o-mini", max_retries=0),
    )
    return str(await agent.run(prompt))


desk.work_off(run)
