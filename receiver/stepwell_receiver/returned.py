"""Failures that a tool returns instead of raising them, so that its span ends well; `outcome` asks for tools alone.

Read are the flags of protocols and frameworks (MCP's ``isError``, LlamaIndex' ``is_error``, the ``status`` of
LangChain's tool messages), and results that hold nothing but an error. Data that merely mentions one is no failure.
"""

from typing import Any, Final

from stepwell_receiver import values
from stepwell_receiver.wire import Value

ERROR_TYPE: Final = "tool_error"
"""What OpenTelemetry's conventions for MCP call a result with ``isError``."""

_FLAGS: Final = ("isError", "is_error")
_WRAPPERS: Final = ("output", "result", "data", "kwargs", "response", "tool_output")
_MAX_WRAPPERS: Final = 6
_MAY_BEGIN: Final = frozenset("{[ \\")
"""First characters in a JSON string that holds an object or a list, perhaps after white space."""
_OF_AN_ERROR: Final = frozenset(
    (
        *("error", "error_type", "error_code", "error_message", "code", "message", "detail", "details", "type", "name"),
        *("status", "status_code", "statusCode", "success", "ok", "traceback", "stack", "hint", "retryable"),
    )
)
"""Keys that only say more of an error."""


def error_in(output_json: str | None) -> tuple[str, str | None] | None:
    """(type, message) of the error that a tool's output is; ``None`` where it is a result."""
    if output_json is None or _is_plain_text(output_json) or "rror" not in output_json:
        return None
    output = _parsed(output_json)
    for _ in range(_MAX_WRAPPERS):
        if isinstance(output, dict) and _is_error(output):
            return _told(output)
        output = _unwrapped(output)
    return None


def _is_plain_text(output_json: str) -> bool:
    """Whether JSON is a string in which no object or list can begin."""
    return output_json[0] == '"' and output_json[1] not in _MAY_BEGIN


def _is_error(output: dict[str, Any]) -> bool:
    if any(output.get(flag) is True for flag in _FLAGS):
        return True
    if output.get("status") == "error" and ("tool_call_id" in output or "content" in output):
        return True
    return bool(output.get("error")) and output.keys() <= _OF_AN_ERROR


def _told(output: dict[str, Any]) -> tuple[str, str | None]:
    error = output.get("error")
    inner = error if isinstance(error, dict) else output
    stated = inner.get("type") if inner is error else None
    error_type = values.as_name(output.get("error_type") or stated or inner.get("name")) if inner else None
    message = error if isinstance(error, str) else _text_of(inner.get("message") or output.get("content"))
    return error_type or ERROR_TYPE, message or None


def _text_of(content: Value) -> str | None:
    """Text, or that of MCP's content blocks."""
    if isinstance(content, list):
        texts = (block.get("text") for block in content if isinstance(block, dict))
        return "\n".join(text for text in texts if isinstance(text, str)) or None
    return values.as_text(content)


def _unwrapped(output: Any) -> Any:
    """What a wrapper holds: a list's only item, an object's output or result, a message's content, what JSON says."""
    if isinstance(output, str):
        return _parsed(output)
    if isinstance(output, list):
        return output[0] if len(output) == 1 else None
    if isinstance(output, dict):
        if "tool_call_id" in output:
            return output.get("content")
        return next((output[key] for key in _WRAPPERS if key in output), None)
    return None


def _parsed(text: str) -> Any:
    return values.parse_container(values.parsed_text(text) or text)
