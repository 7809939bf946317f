"""Google's ADK with its own telemetry, on Gemini."""

import os

import desk
from google.adk.agents import LlmAgent
from google.adk.runners import InMemoryRunner
from google.genai import types

os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"


def tell_errors(tool, args, tool_context, error):
    return {"error": str(error)}


agent = LlmAgent(
    name="adk_desk",
    model="gemini-2.5-flash",
    instruction=desk.INSTRUCTIONS,
    tools=[desk.lookup_order, desk.refund_policy],
    on_tool_error_callback=tell_errors,
)
runner = InMemoryRunner(agent, app_name="desk")


async def run(prompt: str) -> str:
    session_id = "session-" + prompt[13:21]
    await runner.session_service.create_session(app_name="desk", user_id="user-1", session_id=session_id)
    message = types.UserContent(prompt)
    text = ""
    async for event in runner.run_async(user_id="user-1", session_id=session_id, new_message=message):
        if event.is_final_response() and event.content:
            text = "".join(part.text or "" for part in event.content.parts)
    return text


desk.work_off(run)
