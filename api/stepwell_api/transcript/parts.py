"""Parts of messages by their shapes: texts, reasoning, calls of tools, results, media. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

Value = Mapping[str, Any]
CALL_LISTS: Final = ("tool_calls", "toolCalls", "function_calls")
CALL_IDS: Final = ("tool_call_id", "call_id", "tool_use_id", "toolCallId", "toolUseId", "id")
TOOL_NAMES: Final = ("name", "tool_name", "toolName")
ARGUMENTS: Final = ("arguments", "args", "input", "tool_kwargs", "tool_args", "parameters")
RESULTS: Final = ("output", "response", "result", "content", "text")
TEXT_TYPES: Final = frozenset(("text", "input_text", "output_text", "textblock"))
REASONING_TYPES: Final = frozenset(("reasoning", "thinking", "redacted_thinking", "thought"))
REASONING: Final = ("thinking", "reasoning", "reasoning_content", "summary", "content", "text", "data")
CALL_TYPES: Final = frozenset((
    "tool_call", "tool_use", "function_call", "tool-call", "tooluse", "toolcall", "server_tool_use", "function",
    "functioncall", "custom_tool_call",
))  # fmt: skip
RESULT_TYPES: Final = frozenset((
    "tool_result", "tool_call_response", "function_call_output", "tool-result", "toolresult", "tool_response",
    "functionresponse", "function_response", "custom_tool_call_output", "tool_return",
))  # fmt: skip
CALLS_INSIDE: Final = ("function_call", "functionCall", "tool_call", "toolUse", "toolCall")
RESULTS_INSIDE: Final = ("function_response", "functionResponse", "tool_call_result", "toolResult", "tool_result")
MEDIA: Final = ("image", "audio", "video", "file", "blob", "uri", "document", "media")


class Part(NamedTuple):
    """A part, by what it is."""

    kind: str
    """``message``, ``reasoning``, ``tool_call`` or ``tool_result``."""
    value: Any
    name: str | None = None
    call_id: str | None = None


def read(value: Value) -> Part | None:
    """The part that an object is; ``None`` where it is none."""
    told = value.get("type", value.get("kind", value.get("block_type", "")))
    kind = told.casefold() if isinstance(told, str) else ""
    return _inside(value) or _typed(value, kind) or _untyped(value)


def _inside(value: Value) -> Part | None:
    """A part within an object of its kind's name (Gemini, Bedrock, Haystack)."""
    for key in CALLS_INSIDE:
        if isinstance(value.get(key), Mapping):
            return _call(value[key])
    for key in RESULTS_INSIDE:
        if isinstance(value.get(key), Mapping):
            return _result(value[key])
    return None


def _typed(value: Value, kind: str) -> Part | None:
    if kind in CALL_TYPES and _has_call(value):
        return _call(value)
    if kind in RESULT_TYPES:
        return _result(value)
    if kind in REASONING_TYPES:
        said = next((value[key] for key in REASONING if value.get(key)), None)
        return Part("reasoning", _joined(said))
    if kind in TEXT_TYPES:
        return Part("message", next((value[key] for key in ("text", "content", "value") if value.get(key)), ""))
    if kind and any(kind.startswith(name) or kind == f"input_{name}" for name in MEDIA):
        return Part("message", f"[{first_text(value, ('mime_type', 'media_type', 'modality')) or kind}]")
    return None


def _untyped(value: Value) -> Part | None:
    if isinstance(value.get("function"), Mapping) and "name" in value["function"]:
        inner = value["function"]
        return Part("tool_call", _first(inner, ARGUMENTS), first_text(inner, TOOL_NAMES), first_text(value, CALL_IDS))
    if first_text(value, TOOL_NAMES) and any(key in value for key in ("arguments", "args", "tool_kwargs")):
        return _call(value)
    if isinstance(value.get("text"), str) and value.keys() <= {
        "text",
        "thought",
        "citations",
        "annotations",
        "metadata",
    }:
        return Part("reasoning" if value.get("thought") is True else "message", value["text"])
    return None


def _has_call(value: Value) -> bool:
    return first_text(value, TOOL_NAMES) is not None or isinstance(value.get("function"), Mapping)


def _call(value: Value) -> Part:
    inner = value["function"] if isinstance(value.get("function"), Mapping) else value
    return Part("tool_call", _first(inner, ARGUMENTS), first_text(inner, TOOL_NAMES), first_text(value, CALL_IDS))


def _result(value: Value) -> Part:
    origin = value.get("origin")
    name = first_text(value, TOOL_NAMES) or (first_text(origin, TOOL_NAMES) if isinstance(origin, Mapping) else None)
    return Part("tool_result", _first(value, RESULTS), name, first_text(value, CALL_IDS))


def first_text(value: Value, keys: Sequence[str]) -> str | None:
    """The first of the keys that holds a text."""
    return next((value[key] for key in keys if isinstance(value.get(key), str) and value[key]), None)


def _first(value: Value, keys: Sequence[str]) -> Any:
    return next((value[key] for key in keys if value.get(key) is not None), None)


def _joined(said: Any) -> Any:
    """A summary in pieces as one text."""
    if isinstance(said, list):
        texts = [piece.get("text") if isinstance(piece, Mapping) else piece for piece in said]
        return "\n".join(text for text in texts if isinstance(text, str))
    return said


def undotted(value: Value) -> Value:
    """``{"tool_calls.0.name": …}`` as ``{"tool_calls": [{"name": …}]}``."""
    tree: dict[str, Any] = {}
    for key, inner in value.items():
        *above, last = key.split(".")
        at = tree
        for name in above:
            at = at.setdefault(name, {})
            if not isinstance(at, dict):
                return value
        at[last] = inner
    listed = _listed(tree)
    return listed if isinstance(listed, dict) else value


def _listed(tree: Any) -> Any:
    """Objects whose keys are all numbers as lists."""
    if not isinstance(tree, dict):
        return tree
    inner = {key: _listed(value) for key, value in tree.items()}
    if inner and all(key.isascii() and key.isdigit() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner
