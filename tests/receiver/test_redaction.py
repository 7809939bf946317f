"""Secrets that are planted anywhere in what is sent are nowhere in what is stored; everything else stays as it was."""

import base64
import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from psycopg import sql
from tests.api.rows import fold_waiting
from tests.receiver.otlp import JSON, START_NS, Client, any_value, key_values, make_span, trace_request
from tests.receiver.running import receiver

from stepwell_receiver import values
from stepwell_receiver.redaction.forms import MASK, Kind
from stepwell_receiver.redaction.rules import BadRuleError, Redactor, make
from stepwell_storage import redaction
from stepwell_storage.database import connect
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.schema import metadata
from stepwell_storage.settings import Settings

CORE = "Zq7xW2mK9pL4vB8nR3tY"
"""Is in every secret below, and in nothing else."""
SECRETS = {
    "OpenAI": f"sk-proj-{CORE}",
    "Anthropic": f"sk-ant-api03-{CORE}-AA",
    "Stripe": f"rk_live_{CORE}",
    "GitHub": f"ghp_{CORE}{CORE}",
    "GitHub, fine-grained": f"github_pat_11AA_{CORE}",
    "GitLab": f"glpat-{CORE}",
    "Slack": f"xoxb-1234-{CORE}",
    "Google": f"AIza{CORE}{CORE[:15]}",
    "Hugging Face": f"hf_{CORE}abcdef",
    "Groq": f"gsk_{CORE}",
    "JSON web token": f"eyJhbGciOiJIUzI1NiJ9.eyJ{CORE}.{CORE}",
    "bearer": f"Bearer {CORE}",
    "password in a URL": f"postgres://me:{CORE}@db.example/x",
    "assignment": f"OPENAI_API_KEY={CORE}",
    "private key": f"-----BEGIN RSA PRIVATE KEY-----\nMII{CORE}\n{CORE}==\n-----END RSA PRIVATE KEY-----",
    "private key, cut off": f"-----BEGIN PRIVATE KEY-----\nMII{CORE}",
    "ours": f"sw_{CORE}{CORE}abc",
}
NAMES = ("password", "apiKey", "x-api-key", "db.client_secret", "Authorization", "set-cookie", "ACCESS_TOKEN", "jwt")
PLACES: dict[str, Callable[[str], Any]] = {
    "alone": lambda secret: secret,
    "in words": lambda secret: f"call it with {secret}, then wait",
    "in words of all sorts": lambda secret: f"größer 😀 „{secret}“",
    "in a list": lambda secret: ["a", {"b": [secret]}],
    "in JSON": lambda secret: json.dumps({"q": [1, {"deep": secret}]}),
    "in JSON in JSON": lambda secret: json.dumps({"arguments": json.dumps({"header": secret})}),
    "in Python's words": lambda secret: str({"note": secret}),
    "in bytes": lambda secret: secret.encode(),
}

HOLDERS: tuple[Callable[[Any], str], ...] = (
    json.dumps,
    str,
    lambda held: json.dumps({"inner": json.dumps(held)}),
    lambda held: json.dumps(held)[:-2],
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    """What holds unless something else is set."""
    made = make([Kind.SECRETS], {})
    assert made is not None
    return made


@pytest.mark.parametrize("secret", SECRETS.values(), ids=list(SECRETS))
def test_secret_is_masked_wherever_it_is(redactor: Redactor, secret: str) -> None:
    for place, put in PLACES.items():
        attributes = {"some.attribute": put(secret), "left": "alone"}
        assert redactor.suspects(values.as_json(attributes).encode(), is_json=True) or place == "in bytes"
        masked = redactor.attributes(attributes)
        assert CORE not in values.as_json(masked), place
        assert base64.b64encode(CORE.encode()).decode()[:16] not in values.as_json(masked), place
        assert masked["left"] == "alone"


@pytest.mark.parametrize("name", NAMES)
def test_value_under_a_secret_name_is_masked_whatever_it_is(redactor: Redactor, name: str) -> None:
    held: tuple[Any, ...] = (CORE, 12345, [CORE], {"a": CORE}, CORE.encode())
    for value in held:
        assert redactor.attributes({name: value}) == {name: MASK}
    for put in HOLDERS:
        masked = redactor.attributes({"input": put({"left": "alone", name: f'{CORE} "quoted" {CORE}'})})
        assert CORE not in str(masked["input"])
        assert "alone" in str(masked["input"])


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=4096 and total_tokens: 12",
        '{"completion_tokens": 5, "token_count": 7, "secretary": "Ann"}',
        "a risk-assessment-of-many-words and a task-oriented-dialogue-system",
        "bearer responsibilities-and-more, basic understanding",
        "https://example.com:8080/a@b",
        "the password is what you know",
        "4111 1111 1111 1111, me@example.com",
        '{"author": "x", "auth_method": "none"}',
        "",
    ],
)
def test_what_is_no_secret_stays(redactor: Redactor, text: str) -> None:
    assert redactor.text(text) is text


def test_cards_and_addresses_are_masked_on_demand() -> None:
    redactor = make([Kind.CARDS, Kind.EMAILS], {})
    assert redactor is not None
    assert redactor.text("4111 1111 1111 1111 by me@example.com") == f"{MASK} by {MASK}"
    for other in ("4111 1111 1111 1112", "1773144000000000000", "order 1234567890123456", "a@b"):
        assert redactor.text(other) == other


def test_own_rules_hold_beside_the_others() -> None:
    redactor = make([], {"iban": ("key", "iban"), "ticket": ("pattern", r"TICKET-\d{4}")})
    assert redactor is not None
    masked = redactor.attributes({"user.iban": "DE1", "note": 'TICKET-1234 {"IBAN": "DE2"}', "password": "stays"})
    assert masked == {"user.iban": MASK, "note": f'{MASK} {{"IBAN": "{MASK}"}}', "password": "stays"}


@pytest.mark.parametrize("pattern", ["(", "a*", "(?=x)", ""])
def test_rule_that_is_none_or_masks_everything_is_refused(pattern: str) -> None:
    with pytest.raises(BadRuleError):
        make([], {"bad": ("pattern", pattern)})


@given(ANY)
def test_masking_twice_is_masking_once(value: Any) -> None:
    redactor = make(list(Kind), {})
    assert redactor is not None
    once = redactor.value(value)
    assert redactor.value(once) == once


def planted() -> tuple[list[Span], ExportLogsServiceRequest]:
    """Spans and log records with a secret in each place that OTLP has for text."""
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    spans = []
    for number, secret in enumerate(SECRETS.values()):
        for place, put in PLACES.items():
            told = {**tool, "number": number, "input.value": put(secret), place: put(secret)}
            spans.append(make_span(name="execute_tool search", attributes=told))
        event = Span.Event(name=f"e {secret}", time_unix_nano=START_NS, attributes=key_values({"a": secret}))
        link = Span.Link(trace_id=b"\1" * 16, span_id=b"\2" * 8, attributes=key_values({"a": secret}))
        error = Status(code=Status.STATUS_CODE_ERROR, message=secret)
        spans.append(make_span(name=f"invoke_agent {secret}", events=[event], links=[link], status=error))
    logs = ExportLogsServiceRequest()
    scope = logs.resource_logs.add().scope_logs.add()
    for secret in SECRETS.values():
        record = scope.log_records.add(trace_id=spans[0].trace_id, span_id=spans[0].span_id, time_unix_nano=START_NS)
        record.body.CopyFrom(any_value({"text": secret}))
        record.attributes.extend(key_values({"a": secret, "password": CORE}))
    return spans, logs


def as_json(span: Span, secret: str) -> bytes:
    """A span in OTLP's JSON, with every character of the secret escaped, as JSON allows."""
    escaped = "".join(f"\\u{ord(character):04x}" for character in secret)
    ids = f'"traceId": "{span.trace_id.hex()}", "spanId": "{span.span_id.hex()}"'
    times = f'"startTimeUnixNano": "{START_NS}", "endTimeUnixNano": "{START_NS + 1}"'
    text = f'{{"key": "a", "value": {{"stringValue": "{escaped}"}}}}'
    one = f'{{{ids}, {times}, "name": "x", "attributes": [{text}]}}'
    return f'{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{one}]}}]}}]}}'.encode()


async def dumped(url: str) -> str:
    """Everything that the database holds."""
    texts = []
    async with await connect(url) as connection:
        for table in metadata.tables.values():
            query = sql.SQL("SELECT t::text FROM analytics.{} t").format(sql.Identifier(table.name))
            texts += [str(row[0]) for row in await (await connection.execute(query)).fetchall()]
    return "\n".join(texts)


async def test_planted_secrets_are_nowhere(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    spans, logs = planted()
    with receiver(settings) as running:
        client = Client(running.otlp_http, running.otlp_grpc)
        traces = trace_request(*spans, resource={"service.name": "s", "db.password": CORE, "url": SECRETS["bearer"]})
        assert client.export(traces) == b""
        assert client.post(logs, path="/v1/logs").status_code == 200
        content = gzip.compress(as_json(make_span(), SECRETS["OpenAI"]))
        headers = {"content-type": JSON, "content-encoding": "gzip"}
        assert client.http.post("/v1/traces", content=content, headers=headers).status_code == 200
        exposition = client.http.get("/metrics").text
        client.close()
    await fold_waiting(settings.database_url)
    stored = await dumped(settings.database_url)
    assert MASK in stored
    shifted = [base64.b64encode(b"x" * at + CORE.encode()).decode()[4:20] for at in range(3)]
    encoded = [CORE, CORE.encode().hex(), *shifted]
    told = capfd.readouterr()
    for form in encoded:
        assert form not in stored
        assert form not in exposition + told.out + told.err


async def test_workspace_says_what_is_masked(settings: Settings, connection: psycopg.AsyncConnection) -> None:
    await redaction.choose(connection, LOCAL_WORKSPACE_ID, ["emails"])
    await redaction.set_rule(connection, LOCAL_WORKSPACE_ID, "iban", "key", "iban")
    attributes = {"a": SECRETS["GitHub"], "b": "me@example.com", "iban": "DE12"}
    with receiver(replace(settings, redact="none")) as running:
        client = Client(running.otlp_http, running.otlp_grpc)
        assert client.post(trace_request(make_span(attributes=attributes))).status_code == 200
        client.close()
    rows = await (await connection.execute("SELECT attributes FROM analytics.step_facts")).fetchall()
    assert rows == [({"a": SECRETS["GitHub"], "b": MASK, "iban": MASK},)]
