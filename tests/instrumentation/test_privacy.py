"""What must not leave the process does not, whoever put it on a span."""

import json
import re
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

import stepwell
from stepwell.redaction import Level
from stepwell.testing import Recorder, recorded

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz012345"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"
SECRETS = [
    KEY,
    JWT,
    "Bearer abcdef0123456789",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "AKIAABCDEFGHIJKLMNOP",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "xoxb-123456789012-abcdef",
]


def everything(recorder: Recorder) -> str:
    """All that would leave, as text."""
    return "\n".join(_told(span) for span in [*recorder.started, *recorder.spans])


def _told(span: ReadableSpan) -> str:
    events = [(event.name, dict(event.attributes or {})) for event in span.events]
    links = [dict(link.attributes or {}) for link in span.links]
    return json.dumps([span.name, dict(span.attributes or {}), events, links, span.status.description], default=list)


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:6])
def test_credentials_are_masked_by_their_form_everywhere(secret: str) -> None:
    @stepwell.step
    def call(header: str) -> str:
        stepwell.checkpoint({"header": f"x {secret} y"})
        raise ValueError(f"refused {secret}")

    with recorded() as recorder:
        with pytest.raises(ValueError, match="refused"):
            call(f"use {secret} now")
        context = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1))
        other = recorder.provider.get_tracer("other").start_span(f"get {secret}", links=[Link(context, {"l": secret})])
        other.add_event("note", {"text": [secret, "plain"]})
        other.set_attribute("gen_ai.prompt.0.content", f"hello {secret}")
        other.set_status(Status(StatusCode.ERROR, secret))
        other.end()
    told = everything(recorder)
    assert secret not in told
    assert json.dumps(secret)[1:-1] not in told
    assert "[redacted]" in told
    assert "use " in told


@pytest.mark.parametrize(
    "name",
    ["password", "api_key", "apiKey", "X-API-Key", "db.password", "Authorization", "access_token", "clientSecret"],
)
def test_values_under_secret_names_are_masked_at_any_depth(name: str) -> None:
    @stepwell.step
    def call(options: dict[str, Any]) -> dict[str, Any]:
        return {"deep": [{name: {"a": "hidden-value"}}]}

    with recorded() as recorder:
        call({name: "hidden-value", "plain": "shown"})
        with recorder.provider.get_tracer("other").start_as_current_span("s") as span:
            span.set_attribute(name, "hidden-value")
            span.set_attribute("gen_ai.tool.call.arguments", json.dumps({"x": {name: "hidden-value"}, "y": "shown"}))
            span.set_attribute("nested", json.dumps({"body": json.dumps({name: "hidden-value"})}))
            span.set_attribute("broken", json.dumps({name: "hidden-value", "z": "shown"})[:-1])
    told = everything(recorder)
    assert "hidden-value" not in told
    assert told.count("shown") == 4


@pytest.mark.parametrize(
    "name", ["max_tokens", "tokens", "keyboard", "author", "secretary", "gen_ai.usage.input_tokens"]
)
def test_names_that_only_resemble_secrets_are_kept(name: str) -> None:
    with recorded() as recorder, stepwell.step("s", input={name: "kept"}, attributes={name: "kept"}):
        pass
    assert recorder.steps[0].input == {name: "kept"}
    assert recorder.steps[0].attributes[name] == "kept"


def test_full_tells_everything_as_it_is() -> None:
    with recorded(capture="full") as recorder, stepwell.step("s", input={"password": KEY}):
        pass
    assert recorder.steps[0].input == {"password": KEY}


def test_own_rules_hold_at_every_level() -> None:
    def drop(key: str, value: object) -> object:
        if key == "secret.note":
            return None
        return "short" if key == "long" else value

    rules: dict[str, Any] = {"redact_keys": ["userEmail"], "redact_patterns": [r"\d{4}-\d{4}"], "redact": drop}
    levels: tuple[Level, ...] = ("full", "redacted")
    for level in levels:
        with recorded(capture=level, **rules) as recorder:
            attributes = {"secret.note": "n", "long": "text", "card": "is 1234-5678"}
            with stepwell.step("s", input={"user_email": "a@b", "n": "1234-5678"}, attributes=attributes):
                pass
        (step,) = recorder.steps
        assert step.input == {"user_email": "[redacted]", "n": "[redacted]"}
        assert "secret.note" not in step.attributes
        assert (step.attributes["long"], step.attributes["card"]) == ("short", "is [redacted]")


def test_failing_function_hides_the_value() -> None:
    def fail(key: str, value: object) -> object:
        if key == "odd":
            raise RuntimeError("no")
        return object() if key == "strange" else value

    with recorded(redact=fail) as recorder, stepwell.step("s", attributes={"odd": "x", "strange": "y", "n": 1}):
        pass
    attributes = recorder.steps[0].attributes
    assert (attributes["odd"], attributes["strange"], attributes["n"]) == ("[redacted]", "[redacted]", 1)


def test_off_tells_no_content_of_anybody() -> None:
    @stepwell.step
    def call(word: str) -> str:
        stepwell.checkpoint({"word": word}, id="c")
        return word

    kept = {
        "gen_ai.request.model": "m",
        "gen_ai.response.id": "r",
        "gen_ai.usage.input_tokens": 5,
        "llm.token_count.prompt": 5,
        "http.request.method": "POST",
        "url.path": "/v1",
        "gen_ai.response.finish_reasons": ("stop",),
        "openinference.span.kind": "LLM",
        "input.mime_type": "text/plain",
    }
    hidden = [
        *("gen_ai.input.messages", "gen_ai.prompt.0.content", "input.value", "llm.output_messages.0.message.content"),
        *("traceloop.entity.input", "gen_ai.tool.call.result", "db.query.text", "db.statement", "ai.prompt"),
        *("langfuse.observation.output", "pydantic_ai.all_messages", "gen_ai.system_instructions", "final_result"),
        *("retrieval.documents.0.document.content", "tool_arguments", "ai.toolCall.args", "ai.response.text"),
    ]
    with recorded(capture="off") as recorder:
        call("private")
        attributes: dict[str, Any] = {**kept, **dict.fromkeys(hidden, "private")}
        with recorder.provider.get_tracer("other").start_as_current_span("chat", attributes=attributes) as span:
            span.add_event("gen_ai.user.message", {"content": "private"})
    assert "private" not in everything(recorder)
    assert dict(recorder.spans[1].attributes or {}) == kept
    assert recorder.step("call").checkpoints == (("c", None),)


def test_long_values_are_cut_with_a_marker() -> None:
    with recorded(max_attribute_bytes=100) as recorder:
        with stepwell.step("s", input="x" * 500):
            pass
        with recorder.provider.get_tracer("other").start_as_current_span("t") as span:
            span.set_attributes({"long": "é" * 500, "list": ["z" * 500, "short"], "short": "kept"})
    own, other = recorder.steps
    assert own.input.endswith("…[cut: 500 characters]")
    assert other.attributes["long"] == "é" * 50 + "…[cut: 500 characters]"
    assert other.attributes["list"] == ["z" * 100 + "…[cut: 500 characters]", "short"]
    assert other.attributes["short"] == "kept"


def test_patterns_that_are_none_are_refused_where_they_are_given() -> None:
    with pytest.raises(re.error), recorded(redact_patterns=["("]):
        pass
