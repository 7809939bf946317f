"""A hand-written agent on Anthropic's SDK, whose calls OpenLLMetry reports."""

import json

import desk
from anthropic import AsyncAnthropic
from opentelemetry import trace
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor

AnthropicInstrumentor().instrument()

tracer = trace.get_tracer("my-app")
TOOLS = {"lookup_order": desk.lookup_order, "refund_policy": desk.refund_policy}
OFFERED = [
    {"name": "lookup_order", "input_schema": {"type": "object", "properties": {"order_id": {"type": "string"}}}},
    {"name": "refund_policy", "input_schema": {"type": "object", "properties": {"country": {"type": "string"}}}},
]


def call(name: str, arguments: dict[str, str]) -> str:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    try:
        with tracer.start_as_current_span(f"execute_tool {name}", attributes=attributes):
            return TOOLS[name](**arguments)
    except desk.OrderNotFoundError as error:
        return str(error)


async def run(prompt: str) -> str:
    client = AsyncAnthropic()
    messages = [{"role": "user", "content": prompt}]
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "anthropic_desk",
        "stepwell.input": json.dumps(prompt),
    }
    with tracer.start_as_current_span("invoke_agent anthropic_desk", attributes=attributes) as span:
        while True:
            message = await client.messages.create(
                model="claude-sonnet-4-6", max_tokens=1000, system=desk.INSTRUCTIONS, messages=messages, tools=OFFERED
            )
            messages.append({"role": "assistant", "content": message.content})
            asked = [block for block in message.content if block.type == "tool_use"]
            if not asked:
                span.set_attribute("stepwell.output", json.dumps(message.content[0].text))
                return message.content[0].text
            results = [(block.id, call(block.name, block.input)) for block in asked]
            content = [{"type": "tool_result", "tool_use_id": i, "content": result} for i, result in results]
            messages.append({"role": "user", "content": content})


desk.work_off(run)
