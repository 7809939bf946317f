"""A hand-written agent on OpenAI's SDK, whose calls OpenTelemetry's own instrumentation reports."""

import json

import desk
from openai import AsyncOpenAI
from opentelemetry import trace
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

OpenAIInstrumentor().instrument()

tracer = trace.get_tracer("my-app")
TOOLS = {"lookup_order": desk.lookup_order, "refund_policy": desk.refund_policy}
OFFERED = [
    {
        "type": "function",
        "function": {
            "name": "lookup_order",
            "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
        },
    },
    {
        "type": "function",
        "function": {
            "name": "refund_policy",
            "parameters": {"type": "object", "properties": {"country": {"type": "string"}}},
        },
    },
]


def call(name: str, arguments: str) -> str:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    try:
        with tracer.start_as_current_span(f"execute_tool {name}", attributes=attributes):
            return TOOLS[name](**json.loads(arguments))
    except desk.OrderNotFoundError as error:
        return str(error)


async def run(prompt: str) -> str:
    client = AsyncOpenAI()
    messages = [{"role": "system", "content": desk.INSTRUCTIONS}, {"role": "user", "content": prompt}]
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "openai_desk"}
    with tracer.start_as_current_span("invoke_agent openai_desk", attributes=attributes) as span:
        span.set_attribute("stepwell.input", json.dumps(prompt))
        while True:
            completion = await client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=OFFERED)
            message = completion.choices[0].message
            messages.append(message)
            if not message.tool_calls:
                span.set_attribute("stepwell.output", json.dumps(message.content))
                return message.content
            for asked in message.tool_calls:
                answer = call(asked.function.name, asked.function.arguments)
                messages.append({"role": "tool", "tool_call_id": asked.id, "content": answer})


desk.work_off(run)
