"""Log records over the wire: decoded, mapped, stored once, and refused with exact counts where they cannot be."""

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf import json_format
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.trace import TracerProvider
from psycopg.rows import dict_row
from tests.receiver.otlp import JSON, LOGS_EXPORT, START_NS, Client, any_value, field, key_values
from tests.receiver.running import Running

from stepwell_receiver import json as otlp_json
from stepwell_receiver import protobuf
from stepwell_receiver.logs import map_logs
from stepwell_storage import model
from stepwell_storage.settings import Settings

Logs = Callable[[bytes], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def logs(shared_settings: Settings) -> Iterator[Logs]:
    """Reads the stored log records of a trace, by time."""
    with psycopg.connect(shared_settings.database_url, autocommit=True, row_factory=dict_row) as connection:

        def read(trace_id: bytes) -> list[dict[str, Any]]:
            query = "SELECT * FROM analytics.step_logs WHERE trace_id = %s ORDER BY time, record_key"
            return connection.execute(query, (trace_id,)).fetchall()

        yield read


def record(body: object = None, attributes: dict[str, object] | None = None, **fields: Any) -> LogRecord:
    """A record of a span of its own; `fields` overrule."""
    ids = {"trace_id": secrets.token_bytes(16), "span_id": secrets.token_bytes(8), "time_unix_nano": START_NS}
    return LogRecord(**{**ids, **fields}, body=any_value(body), attributes=key_values(attributes or {}))


def request(*records: LogRecord) -> ExportLogsServiceRequest:
    """A request with the records under one resource and scope."""
    message = ExportLogsServiceRequest()
    message.resource_logs.add().scope_logs.add().log_records.extend(records)
    return message


def otlp_json_of(message: ExportLogsServiceRequest) -> bytes:
    """The request in OTLP/JSON, whose ids are hexadecimal."""
    document = json_format.MessageToDict(message, use_integers_for_enums=True)
    for group in document["resourceLogs"]:
        for scope in group["scopeLogs"]:
            for sent, told in zip(message.resource_logs[0].scope_logs[0].log_records, scope["logRecords"], strict=True):
                told["traceId"], told["spanId"] = sent.trace_id.hex(), sent.span_id.hex()
    return json.dumps(document).encode()


def mapped(sent: LogRecord, max_attribute_bytes: int = 1_000_000) -> model.LogRecord:
    """The record as it is stored, the same from either encoding."""
    body = request(sent)
    decoded = [protobuf.decode_logs(body.SerializeToString()), otlp_json.decode_logs(otlp_json_of(body))]
    (first,), (second,) = (map_logs(one, max_attribute_bytes=max_attribute_bytes) for one in decoded)
    assert first == second
    return first


def payload(sent: LogRecord) -> tuple[Any, Any]:
    """The messages that a record gives as input and output."""
    told = mapped(sent)
    assert told.body_json is None
    return tuple(None if text is None else json.loads(text) for text in (told.input_json, told.output_json))  # type: ignore[return-value]


ASKED = {"content": "Refund A-17"}


@pytest.mark.parametrize(
    ("sent", "given", "returned"),
    [
        pytest.param(
            record(ASKED, event_name="gen_ai.user.message"), [{"role": "user", **ASKED}], None, id="user-message"
        ),
        pytest.param(
            record(ASKED, {"event.name": "gen_ai.system.message"}), [{"role": "system", **ASKED}], None, id="attribute"
        ),
        pytest.param(
            record({"role": "developer", **ASKED}, event_name="gen_ai.system.message"),
            [{"role": "developer", **ASKED}],
            None,
            id="own-role",
        ),
        pytest.param(
            record("go", event_name="gen_ai.user.message"), [{"role": "user", "content": "go"}], None, id="text"
        ),
        pytest.param(
            record(None, {"content": "42"}, event_name="gen_ai.tool.message"),
            [{"role": "tool", "content": "42"}],
            None,
            id="no-body",
        ),
        pytest.param(
            record({"index": 0, "message": {"tool_calls": [{"id": "c"}]}}, event_name="gen_ai.choice"),
            None,
            [{"index": 0, "message": {"tool_calls": [{"id": "c"}]}}],
            id="choice",
        ),
        pytest.param(
            record(
                None,
                {"gen_ai.input.messages": json.dumps([ASKED]), "gen_ai.output.messages": [{"parts": ["Done"]}]},
                event_name="gen_ai.client.inference.operation.details",
            ),
            [ASKED],
            [{"parts": ["Done"]}],
            id="details",
        ),
    ],
)
def test_message_events_become_input_and_output(sent: LogRecord, given: Any, returned: Any) -> None:
    assert payload(sent) == (given, returned)


def test_other_records_are_lines_with_all_they_tell() -> None:
    sent = record(
        {"n": [1, 2.5, True, b"x"]}, {"a": "b"}, event_name="app.paid", severity_number=9, severity_text="info",
        time_unix_nano=0, observed_time_unix_nano=START_NS + 1_999,
    )  # fmt: skip
    told = mapped(sent)
    assert (told.input_json, told.output_json, told.flags) == (None, None, ())
    assert (told.event_name, told.severity_number, told.severity_text) == ("app.paid", 9, "info")
    assert json.loads(told.body_json or "") == {"n": [1, 2.5, True, "eA=="]}
    assert json.loads(told.attributes_json or "") == {"a": "b"}
    assert told.time_ns == START_NS + 1_000


def test_details_without_messages_are_a_line() -> None:
    told = mapped(
        record(None, {"gen_ai.usage.input_tokens": 3}, event_name="gen_ai.client.inference.operation.details")
    )
    assert (told.input_json, told.output_json) == (None, None)
    assert json.loads(told.attributes_json or "") == {"gen_ai.usage.input_tokens": 3}


def test_records_differ_by_anything_that_was_sent() -> None:
    ids: dict[str, Any] = {"trace_id": b"t" * 16, "span_id": b"s" * 8}
    sent = [
        record("a", **ids),
        record("b", **ids),
        record("a", {"k": 1}, **ids),
        record("a", **ids, time_unix_nano=START_NS + 1),
        record("a", **ids, observed_time_unix_nano=1),
        record("a", **ids, event_name="x"),
        record("a", **ids, severity_number=1),
        record("a", **ids, severity_text="x"),
    ]
    assert len({mapped(one).record_key for one in sent}) == len(sent)


def test_long_values_are_cut_and_flagged() -> None:
    told = mapped(record("ä" * 100, {"long": "x" * 101, "deep": {"k": "y" * 200}, "short": "z"}), 100)
    assert told.flags == ("attribute_cut",)
    assert json.loads(told.body_json or "") == "ä" * 50
    attributes = json.loads(told.attributes_json or "")
    assert (attributes["long"], attributes["short"], len(attributes["deep"])) == ("x" * 100, "z", 100)


def test_severity_beyond_the_scale_is_unknown() -> None:
    assert mapped(record("x", severity_number=99)).severity_number is None


def by_http(client: Client, body: ExportLogsServiceRequest) -> ExportLogsServiceResponse:
    response = client.post(body, path="/v1/logs")
    assert response.status_code == 200
    return ExportLogsServiceResponse.FromString(response.content)


def by_json(client: Client, body: ExportLogsServiceRequest) -> ExportLogsServiceResponse:
    response = client.post(otlp_json_of(body), path="/v1/logs", content_type=JSON)
    assert (response.status_code, response.headers["content-type"]) == (200, JSON)
    return json_format.Parse(response.content, ExportLogsServiceResponse())


def by_grpc(client: Client, body: ExportLogsServiceRequest) -> ExportLogsServiceResponse:
    return ExportLogsServiceResponse.FromString(client.export(body, method=LOGS_EXPORT))


SENDERS = [pytest.param(by_http, id="http"), pytest.param(by_json, id="json"), pytest.param(by_grpc, id="grpc")]
Sender = Callable[[Client, ExportLogsServiceRequest], ExportLogsServiceResponse]


@pytest.mark.parametrize("send", SENDERS)
def test_records_are_stored_once_however_often_they_are_sent(client: Client, logs: Logs, send: Sender) -> None:
    trace_id = secrets.token_bytes(16)
    body = request(*[record(f"line {n}", trace_id=trace_id, span_id=b"s" * 8) for n in range(3)])
    for one in (send, by_http, by_json, by_grpc):
        assert not one(client, body).HasField("partial_success")
    assert sorted(row["body"] for row in logs(trace_id)) == ["line 0", "line 1", "line 2"]


def unstored(client: Client) -> float:
    """The metric that counts what was not stored."""
    prefix = 'stepwell_records_unstored_total{signal="logs"} '
    lines = client.http.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(prefix)) for line in lines if line.startswith(prefix))


@pytest.mark.parametrize("send", SENDERS)
def test_records_outside_spans_are_counted_and_the_others_stored(client: Client, logs: Logs, send: Sender) -> None:
    before = unstored(client)
    good = record("good")
    outside = [record("x", trace_id=b"", span_id=b""), record("x", span_id=bytes(8)), record("x", trace_id=bytes(16))]
    answer = send(client, request(*outside, good, record("x", span_id=b"short"))).partial_success
    assert answer.rejected_log_records == 4
    assert answer.error_message == (
        "4 log records were not stored: 1 with an invalid span id (8 bytes, not all zero); "
        "3 without a span context (Stepwell keeps the logs of spans)"
    )
    assert unstored(client) == before + 4
    assert [row["body"] for row in logs(good.trace_id)] == ["good"]


def test_damaged_record_costs_only_itself(client: Client, logs: Logs) -> None:
    good = record("good")
    damaged = field(5, b"\xff\xff")
    body = field(1, field(2, field(2, good.SerializeToString()) + field(2, damaged)))
    answer = ExportLogsServiceResponse.FromString(client.post(body, path="/v1/logs").content).partial_success
    assert (answer.rejected_log_records, answer.error_message) == (
        1,
        "1 log record was not stored: 1 that cannot be decoded",
    )
    assert len(logs(good.trace_id)) == 1


def test_json_record_of_wrong_types_costs_only_itself(client: Client, logs: Logs) -> None:
    good = record("good")
    document = json.loads(otlp_json_of(request(good)))
    records = document["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    records += [{**records[0], "timeUnixNano": []}, {**records[0], "body": "text"}, {**records[0], "timeUnixNano": -1}]
    response = client.post(json.dumps(document).encode(), path="/v1/logs", content_type=JSON)
    assert response.json()["partialSuccess"]["rejectedLogRecords"] == "3"
    assert len(logs(good.trace_id)) == 1


def test_severity_by_its_name_and_unknown_fields_are_taken() -> None:
    sent = {"traceId": "0a" * 16, "spanId": "0b" * 8, "severityNumber": "SEVERITY_NUMBER_WARN2", "other": 1}
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [sent]}]}]}
    (told,) = map_logs(otlp_json.decode_logs(json.dumps(body).encode()), max_attribute_bytes=10)
    assert (told.severity_number, told.time_ns, told.body_json) == (14, 0, None)


def test_value_nested_too_deeply_is_replaced() -> None:
    body: object = "deep"
    for _ in range(40):
        body = [body]
    assert "[nested too deeply]" in (mapped(record(body)).body_json or "")


def http_exporter(running: Running) -> LogRecordExporter:
    return HttpExporter(endpoint=f"{running.otlp_http}/v1/logs")


def grpc_exporter(running: Running) -> LogRecordExporter:
    return GrpcExporter(endpoint=running.otlp_grpc, insecure=True, compression=grpc.Compression.Gzip)


@pytest.mark.parametrize("make_exporter", [http_exporter, grpc_exporter], ids=["http", "grpc-gzip"])
def test_logs_of_the_official_exporter_are_stored(
    running: Running, logs: Logs, make_exporter: Callable[[Running], LogRecordExporter]
) -> None:
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(make_exporter(running)))
    logger = provider.get_logger("tests")
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("tests")

    with tracer.start_as_current_span("chat") as span:
        for number in range(20):
            logger.emit(severity_number=SeverityNumber.INFO, body=f"line {number}", attributes={"number": number})
        logger.emit(event_name="gen_ai.user.message", body={"content": "hi"})
    provider.shutdown()

    context = span.get_span_context()
    rows = logs(context.trace_id.to_bytes(16))
    assert {bytes(row["span_id"]) for row in rows} == {context.span_id.to_bytes(8)}
    lines = [row for row in rows if row["event_name"] is None]
    assert sorted(row["attributes"]["number"] for row in lines) == list(range(20))
    assert {row["severity_number"] for row in lines} == {9}
    (message,) = [row for row in rows if row["event_name"] is not None]
    assert message["input"] == [{"role": "user", "content": "hi"}]
