"""Messages out of payloads. Pure.

Every dialect wraps the same few things differently: OpenAI's chat and responses, Anthropic's content blocks, Gemini's
parts, LangChain's constructors, OpenTelemetry's messages (semantic conventions for generative AI, 1.37), and lists,
texts and objects around them. No dialect is named here: what a value is shows in its keys.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from stepwell_api.transcript import parts

Value = Mapping[str, Any]
MAX_DEPTH: Final = 12
ROLES: Final[Mapping[str, str]] = {
    "user": "user", "human": "user", "humanmessage": "user", "humanmessagechunk": "user",
    "assistant": "assistant", "ai": "assistant", "model": "assistant", "aimessage": "assistant",
    "aimessagechunk": "assistant", "chatbot": "assistant", "agent": "assistant",
    "system": "system", "developer": "system", "systemmessage": "system",
    "tool": "tool", "function": "tool", "toolmessage": "tool", "functionmessage": "tool",
}  # fmt: skip
INSTRUCTIONS: Final = ("system_instruction", "system_instructions", "instructions", "system", "systemPrompt")
AROUND: Final = (
    "messages", "contents", "chat_history", "choices", "candidates", "generations", "replies", "message",
    "input", "inputs", "prompt", "prompts", "output", "outputs", "response", "kwargs", "args", "completion",
    "completions", "result", "results", "content", "text", "query", "question", "answer", "final_output",
)  # fmt: skip
"""Keys whose value holds the messages, the surest first."""
BESIDE: Final = frozenset((
    "finish_reason", "stop_reason", "index", "id", "model", "usage", "cached", "logprobs", "thought", "metadata",
    "refusal", "type", "role",
))  # fmt: skip
"""Keys beside what was said that say nothing themselves."""
SAID: Final = ("content", "parts", "blocks", "text", "message", "data")
"""Keys of a message that hold what it says."""
_DOTTED: Final = re.compile(r"^[^.]+(\.[^.]+)*\.\d+(\.[^.]+)*$")


class Block(NamedTuple):
    """A piece of a conversation."""

    kind: str
    """``message``, ``reasoning``, ``tool_call`` or ``tool_result``."""
    role: str
    """``system``, ``user``, ``assistant`` or ``tool``."""
    value: Any
    """Text, or any JSON value; of a tool call its arguments."""
    name: str | None = None
    """Of the tool."""
    call_id: str | None = None


def blocks_of(payload: Any, role: str, depth: int = MAX_DEPTH) -> list[Block]:
    """What a decoded payload says, in order; `role` speaks where nothing tells who does."""
    if payload is None or payload in ("", [], {}):
        return []
    if depth == 0:
        return [Block("message", role, payload)]
    if isinstance(payload, str):
        decoded = decoded_json(payload)
        is_json = decoded is not payload and looks_like_messages(decoded)
        return blocks_of(decoded, role, depth - 1) if is_json else [Block("message", role, payload)]
    if isinstance(payload, Mapping):
        return list(_of_object(payload, role, depth - 1))
    if isinstance(payload, Sequence) and any(isinstance(item, Mapping | list) for item in payload):
        return [block for item in payload for block in blocks_of(item, role, depth - 1)]
    if _is_spoken_pair(payload):
        return [Block("message", ROLES[payload[0]], payload[1])]
    if isinstance(payload, Sequence) and all(isinstance(item, str) for item in payload):
        return [block for item in payload for block in blocks_of(item, role, depth - 1)]
    return [Block("message", role, payload)]


def _is_spoken_pair(payload: Any) -> bool:
    """Whether it is a role and a text, as in ``["user", "hello"]``."""
    return isinstance(payload, list) and len(payload) == 2 and payload[0] in ROLES and isinstance(payload[1], str)


def _of_object(given: Value, role: str, depth: int) -> Iterator[Block]:
    value = _unfolded(given)
    speaker = role_of(value)
    if is_definition(value):
        return
    if speaker is not None:
        yield from _of_message(value, speaker, depth)
        return
    part = parts.read(value)
    if part is not None:
        yield from _of_part(part, role, depth)
        return
    yield from _of_wrapper(value, role, depth)


def _of_wrapper(value: Value, role: str, depth: int) -> Iterator[Block]:
    """An object around messages, else an object that is itself what was said."""
    config = value.get("config")
    for around in (value, config if isinstance(config, Mapping) else {}):
        for key in INSTRUCTIONS:
            if around.get(key) and isinstance(around[key], str | list | Mapping):
                yield from blocks_of(around[key], "system", depth)
    inside = next((key for key in AROUND if is_around(value, key)), None)
    if inside is not None:
        yield from blocks_of(value[inside], role, depth)
    elif not has_calls(value) and any(inner is not None for inner in value.values()):
        yield Block("message", role, dict(value))
    yield from _calls_of(value, depth)


def is_around(value: Value, key: str) -> bool:
    """Whether the key's value is what the object is about."""
    inner = value.get(key)
    if inner is None or inner == "":
        return False
    # An object with other keys of its own is data, unless what is in it looks like messages.
    return value.keys() - BESIDE == {key} or key == "messages" or looks_like_messages(inner)


def looks_like_messages(value: Any) -> bool:
    """Whether a value holds messages or parts of some."""
    if isinstance(value, str):
        decoded = decoded_json(value)
        return decoded is not value and looks_like_messages(decoded)
    if isinstance(value, Mapping):
        inner = _unfolded(value)
        if role_of(inner) is not None or parts.read(inner) is not None or has_calls(inner):
            return True
        return any(key in inner and looks_like_messages(inner[key]) for key in AROUND)
    if isinstance(value, Sequence) and value:
        return looks_like_messages(value[0]) or looks_like_messages(value[-1])
    return False


def role_of(value: Value) -> str | None:
    """Who speaks in a message; ``None`` where the object is none."""
    told = value.get("role", value.get("type"))
    role = ROLES.get(told.rpartition(".")[2].casefold()) if isinstance(told, str) else None
    if role is not None:
        return role if any(key in value for key in SAID) or has_calls(value) or role == "tool" else None
    # A type alone of "message" is OpenAI's responses'; their role is always told.
    return None


def _of_message(value: Value, role: str, depth: int) -> Iterator[Block]:
    reasoning = value.get("reasoning_content") or value.get("reasoning") or value.get("thought")
    if isinstance(reasoning, str) and reasoning:
        yield Block("reasoning", role, reasoning)
    said = next((value[key] for key in (*SAID, role, "function") if value.get(key)), None)
    call_id = parts.first_text(value, parts.CALL_IDS)
    name = parts.first_text(value, parts.TOOL_NAMES)
    for block in _said(said, role, depth):
        if role == "tool" and isinstance(block.value, Mapping) and is_definition(block.value):
            continue
        if role == "tool" and block.kind == "message":
            yield Block("tool_result", "tool", plain(block.value, depth), name or block.name, call_id or block.call_id)
        else:
            yield block
    # Some tell the calls among the content and again beside it.
    told_ids = {block.call_id for block in _said(said, role, depth) if block.kind == "tool_call"}
    for call in _calls_of(value, depth):
        if call.call_id is None or call.call_id not in told_ids:
            yield call


def _said(said: Any, role: str, depth: int) -> list[Block]:
    """Content of a message: a text stays one unless it holds parts."""
    if isinstance(said, str) and not looks_like_messages(said):
        return [Block("message", role, said)]
    return blocks_of(said, role, depth)


def is_definition(value: Value) -> bool:
    """Whether an object tells what a tool is: some list their tools among the messages."""
    inner = value["function"] if isinstance(value.get("function"), Mapping) else value
    return "description" in inner and any(key in inner for key in ("parameters", "input_schema", "inputSchema"))


def has_calls(value: Value) -> bool:
    """Whether the object tells calls of tools beside what it says."""
    return any(isinstance(value.get(key), list) and value[key] for key in parts.CALL_LISTS) or isinstance(
        value.get("function_call"), Mapping
    )


def _calls_of(value: Value, depth: int) -> Iterator[Block]:
    calls: Sequence[Any] = next(
        (value[key] for key in parts.CALL_LISTS if isinstance(value.get(key), list) and value[key]), []
    )
    for call in calls:
        part = parts.read(_unfolded(call)) if isinstance(call, Mapping) else None
        if part is not None:
            yield from _of_part(part, "assistant", depth)


def _of_part(part: parts.Part, role: str, depth: int) -> Iterator[Block]:
    if part.kind == "tool_call":
        arguments = decoded_json(part.value) if isinstance(part.value, str) else part.value
        yield Block("tool_call", "assistant", arguments, part.name, part.call_id)
    elif part.kind == "tool_result":
        yield Block("tool_result", "tool", plain(part.value, depth), part.name, part.call_id)
    elif part.value not in (None, "", [], {}):
        yield Block(part.kind, "assistant" if part.kind == "reasoning" else role, part.value)


def plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """What a tool gave without the messages and parts around it; JSON in a text as JSON."""
    if isinstance(value, str):
        return decoded_json(value)
    if not looks_like_messages(value):
        return value
    said = [block.value for block in blocks_of(value, "tool", depth)]
    if len(said) == 1:
        return plain(said[0], depth - 1) if depth > 0 else said[0]
    return "\n".join(said) if all(isinstance(text, str) for text in said) else said


def decoded_json(text: str) -> Any:
    """What a text says as JSON, where it is an object or a list; else the text itself."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _unfolded(value: Value) -> Value:
    """Without a constructor around a message, and with dotted keys (``tool_calls.0.name``) as lists and objects."""
    inner = value.get("kwargs")
    if isinstance(inner, Mapping) and value.get("type") == "constructor" and isinstance(value.get("id"), list):
        names = [name for name in value["id"] if isinstance(name, str)]
        return {"role": names[-1] if names else "", **inner}
    if any(_DOTTED.match(key) for key in value):
        return parts.undotted(value)
    return value
