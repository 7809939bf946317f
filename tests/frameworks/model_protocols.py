"""The scripted model's answers in the words of the vendors' HTTP APIs, as the official SDKs read them."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tests.frameworks.conversations import ToolCall, Turn

CREATED_S = 1_790_000_000
MODEL = "gpt-4o-mini-2024-07-18"
Body = dict[str, Any]


def chat_completion(turn: Turn, identity: str) -> Body:
    """OpenAI's ``/chat/completions``."""
    message: Body = {"role": "assistant", "content": turn.text or None, "refusal": None}
    if turn.calls:
        message["tool_calls"] = _chat_calls(turn.calls, identity)
    choice = {"index": 0, "message": message, "finish_reason": _finish(turn), "logprobs": None}
    return _chat_envelope("chat.completion", identity, [choice], _chat_usage(turn))


def chat_chunks(turn: Turn, identity: str) -> Iterator[Body]:
    """The same, streamed: each tool call whole, text in two pieces, then the usage."""
    deltas: list[Body] = [{"role": "assistant", "content": ""}]
    if turn.calls:
        deltas += [{"tool_calls": [{"index": i, **c}]} for i, c in enumerate(_chat_calls(turn.calls, identity))]
    half = len(turn.text) // 2
    deltas += [{"content": piece} for piece in (turn.text[:half], turn.text[half:]) if piece]
    for delta in deltas:
        yield _chat_envelope(
            "chat.completion.chunk", identity, [{"index": 0, "delta": delta, "finish_reason": None}], None
        )
    last: Body = {"index": 0, "delta": {}, "finish_reason": _finish(turn)}
    yield _chat_envelope("chat.completion.chunk", identity, [last], None)
    yield _chat_envelope("chat.completion.chunk", identity, [], _chat_usage(turn))


def response(turn: Turn, identity: str) -> Body:
    """OpenAI's ``/responses``."""
    text = {"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}
    message = {
        "type": "message",
        "id": f"msg_{identity}",
        "role": "assistant",
        "status": "completed",
        "content": [text],
    }
    calls = [
        {
            "type": "function_call",
            "id": f"fc_{identity}_{i}",
            "call_id": _call_id(identity, i),
            "name": call.name,
            "arguments": json.dumps(call.arguments),
            "status": "completed",
        }
        for i, call in enumerate(turn.calls)
    ]
    usage = {
        "input_tokens": turn.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": turn.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": turn.prompt_tokens + turn.completion_tokens,
    }
    return {
        "id": f"resp_{identity}",
        "object": "response",
        "created_at": CREATED_S,
        "status": "completed",
        "model": MODEL,
        "output": calls or [message],
        "usage": usage,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
    }


def anthropic_message(turn: Turn, identity: str) -> Body:
    """Anthropic's ``/v1/messages``."""
    calls = [
        {"type": "tool_use", "id": _call_id(identity, i), "name": call.name, "input": dict(call.arguments)}
        for i, call in enumerate(turn.calls)
    ]
    return {
        "id": f"msg_{identity}",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": calls or [{"type": "text", "text": turn.text}],
        "stop_reason": "tool_use" if turn.calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": turn.prompt_tokens, "output_tokens": turn.completion_tokens},
    }


def generated_content(turn: Turn, identity: str) -> Body:
    """Google's ``models/…:generateContent``."""
    calls = [
        {"functionCall": {"id": _call_id(identity, i), "name": call.name, "args": dict(call.arguments)}}
        for i, call in enumerate(turn.calls)
    ]
    content: Body = {"role": "model", "parts": calls or [{"text": turn.text}]}
    return {
        "candidates": [{"index": 0, "content": content, "finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": turn.prompt_tokens,
            "candidatesTokenCount": turn.completion_tokens,
            "totalTokenCount": turn.prompt_tokens + turn.completion_tokens,
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": f"response-{identity}",
    }


def _call_id(identity: str, index: int) -> str:
    return f"call_{identity}_{index}"


def _chat_calls(calls: Sequence[ToolCall], identity: str) -> list[Body]:
    return [
        {
            "id": _call_id(identity, i),
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for i, call in enumerate(calls)
    ]


def _chat_envelope(kind: str, identity: str, choices: list[Body], usage: Body | None) -> Body:
    head = {"id": f"chatcmpl-{identity}", "object": kind, "created": CREATED_S, "model": MODEL}
    return {**head, "choices": choices, "usage": usage}


def _chat_usage(turn: Turn) -> Body:
    return {
        "prompt_tokens": turn.prompt_tokens,
        "completion_tokens": turn.completion_tokens,
        "total_tokens": turn.prompt_tokens + turn.completion_tokens,
    }


def _finish(turn: Turn) -> str:
    return "tool_calls" if turn.calls else "stop"
