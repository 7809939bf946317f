"""What the mutations put in place of what was sent: names that mean something to a dialect, and values that hurt."""

import hashlib
import math
from base64 import b64encode
from typing import Final

from stepwell import semconv
from stepwell_receiver.dialects import DIALECTS
from stepwell_receiver.dialects.base import OPERATION_KINDS

KEYS: Final[tuple[str, ...]] = tuple(
    sorted(
        {key for dialect in DIALECTS for keys in dialect.fields.values() for key in keys}
        | {key for dialect in DIALECTS for key in (*dialect.markers, *dialect.input_keys, *dialect.output_keys)}
        | {value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
        | {
            *("error.type", "error.message", "gen_ai.tool.status", "logfire.span_type", "logfire.pending_parent_id"),
            *("http.route", "db.system", "messaging.system", "faas.trigger", "service.name", "event.name"),
            *("llm.input_messages.0.message.role", "llm.output_messages.1.message.content", "gen_ai.prompt.0.role"),
            *(
                "gen_ai.operation.name",
                "exception.type",
                "exception.message",
                "exception.stacktrace",
                "k8s.cronjob.name",
            ),
            *("haystack.component.type", "langfuse.observation.usage_details", "langfuse.observation.cost_details"),
        }
    )
)
"""Every attribute that some dialect reads, so that a mutation carries a value from one dialect into another."""

LONG: Final = b64encode(b"".join(hashlib.sha256(bytes([n])).digest() for n in range(200))).decode()
"""Text that no compression makes fit for an index."""

NAMES: Final = (
    *(
        "",
        " ",
        "chat",
        "chat gpt-4o",
        "invoke_agent",
        "invoke_agent x",
        "agent_run [x]",
        "x.kickoff",
        "Agent run: {name!r}",
    ),
    *("handoff to b", "workflow.run", "ai.generateText.doGenerate", "haystack.agent.step.tool", "Step 1", "{", "{}"),
    *("OpenAI._prepare_chat_with_tools", "lookup.__call__", ".__call__", "\t\n\\N", "\\.", "n\0l", "🙂" * 40, LONG),
)
EVENTS: Final = (
    *("exception", "gen_ai.choice", "gen_ai.user.message", "gen_ai.client.inference.operation.details"),
    *(semconv.CHECKPOINT_EVENT, "log", ""),
)
SCOPES: Final = (
    *sorted({scope for dialect in DIALECTS for scope in dialect.scopes}),
    "openinference.instrumentation.llama_index",
    "pydantic-ai",
    "opentelemetry.instrumentation.langchain",
    "",
)

DEEP: Final = 400
TEXTS: Final = (
    *("", " ", "0", "-1", "12", "1e5", "1e400", "NaN", "-Infinity", "9" * 30, "true", "null", '"', "[]", "{}", '""'),
    *(
        "stop",
        "tool_calls",
        "error",
        "started",
        "pending_span",
        "cancelled",
        "TimeoutError",
        "a.b.CancelledError: gone",
    ),
    *("gpt-4o", "claude-sonnet-4-5", "text-embedding-3-small", "AGENT", "LLM", "TOOL", "CHAIN", "agent", "generation"),
    *(
        '["stop"]',
        '{"a":',
        '[{"role": "user"}, null, 3]',
        '{"name": {"name": ["x"]}}',
        '{"error": "no", "isError": true}',
    ),
    *('{"replies": [{"meta": {"usage": {"prompt_tokens": "x"}}}]}', '{"input": -1, "output": 1e400, "": null}'),
    *(
        '{"a": "\\ud800", "b\\u0000": "\\u0000"}',
        '"\\ud83d\\ude00"',
        "[" * DEEP + "]" * DEEP,
        "[" * 5_000,
        '{"a":' * DEEP,
    ),
    *(
        "nul\0inside",
        "tab\tline\nreturn\rslash\\end\\N",
        "\\.",
        "\u2028\ufeff",
        "é" * 3_000,
        LONG,
        "{x" * 500,
        "'" * 500,
    ),
    *("Traceback (most recent call last)\nboom", "current_agent_name='x'", "00f067aa0ba902b7", "0" * 16, "2026-11-22"),
    *(sorted(OPERATION_KINDS)),
)
INTEGERS: Final = (0, 1, -1, 7, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 10**12, 10**12 + 1, 10**15)
DOUBLES: Final = (0.0, -0.0, 0.5, -1.5, 1e15, 1e16, 1e308, 5e-324, math.nan, math.inf, -math.inf)
BYTES: Final = (b"", b"\xff\xfe\x00", b"text", b"{}", bytes(range(256)))
TIMES: Final = (0, 1, 999, 1_790_000_000_000_000_000, 2**63 - 1, 2**63, 2**64 - 1)
