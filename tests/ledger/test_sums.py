"""The ledger's sums are what was sent: any mix of spans, in any requests, over both transports, by several keys."""

import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.api.client import client_of
from tests.ledger.accounts import nonzero, read
from tests.receiver.otlp import (
    LOGS_EXPORT,
    METRICS_EXPORT,
    Client,
    logs_request,
    make_span,
    metrics_request,
    trace_request,
)
from tests.receiver.running import receiver
from tests.storing import Connection, fold_all

from stepwell_storage import facts, idle, keys
from stepwell_storage.ledger import LATE_AFTER_S
from stepwell_storage.settings import Settings

SECOND_NS = 1_000_000_000
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
LIVE = {"stepwell.span.state": "started"}
INVALID: Sequence[tuple[str, dict[str, Any]]] = (
    ("invalid_trace_id", {"trace_id": b"short"}),
    ("invalid_span_id", {"span_id": bytes(8)}),
    ("invalid_parent_span_id", {"parent_span_id": b"odd"}),
)


@dataclass
class Key:
    """An API key, and what the ledger must say of it."""

    secret: str
    key_id: str
    expected: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Tenant:
    """A workspace with keys that may send and read."""

    workspace_id: UUID
    keys: list[Key]


@pytest.fixture
async def tenant(connection: Connection) -> Tenant:
    """A workspace with three keys."""
    name = f"tenant {secrets.token_hex(4)}"
    workspace = await keys.create_workspace(connection, name)
    issued = [await keys.create_key(connection, name) for _ in range(3)]
    return Tenant(workspace.workspace_id, [Key(one.key, one.api_key.key_id) for one in issued])


@pytest.fixture
def guarded(settings: Settings, tenant: Tenant) -> Iterator[Client]:
    """A client of a receiver that asks for keys."""
    with receiver(replace(settings, auth=True)) as running:
        client = Client(running.otlp_http, running.otlp_grpc)
        yield client
        client.close()


def some_spans(chance: Random) -> list[tuple[Span, str]]:
    """Spans of a few traces, each with the reason for which it is rejected, or none; some lack their parent."""
    now_ns = time.time_ns()
    spans: list[tuple[Span, str]] = []
    for trace in range(8):
        trace_id, root = secrets.token_bytes(16), secrets.token_bytes(8)
        for number in range(chance.randrange(1, 12)):
            late_s = LATE_AFTER_S + 60 if chance.random() < 0.2 else 0
            end_ns = now_ns - late_s * SECOND_NS
            fields: dict[str, Any] = {"trace_id": trace_id, "parent_span_id": b"" if number == 0 else root}
            fields |= {"start_time_unix_nano": end_ns - SECOND_NS, "end_time_unix_nano": end_ns, "flags": 0x100}
            if number == 0:
                fields["span_id"] = root
            reason = ""
            if chance.random() < 0.15:
                reason, wrong = chance.choice(INVALID)
                fields |= wrong
            span = make_span(attributes=AGENT if trace % 2 else {}, **fields)
            spans.append((span, reason))
            if not reason and chance.random() < 0.2:
                spans.append((live_twin(span), ""))
    return spans


def live_twin(span: Span) -> Span:
    """The span as it was sent when it started."""
    twin = Span()
    twin.CopyFrom(span)
    twin.end_time_unix_nano = span.start_time_unix_nano
    state = twin.attributes.add(key="stepwell.span.state")
    state.value.string_value = "started"
    return twin


class Model:
    """What is stored, by the rules of the documentation alone."""

    def __init__(self) -> None:
        self.finished: dict[tuple[bytes, bytes], tuple[Span, Key]] = {}
        self.live: dict[tuple[bytes, bytes], tuple[Span, Key]] = {}

    def take(self, request: Sequence[tuple[Span, str]], key: Key) -> None:
        """Counts one request of a key."""
        for span, reason in sorted(request, key=lambda sent: is_live(sent[0])):
            key.expected["received"] += 1
            if reason:
                key.expected[f"rejected:{reason}"] += 1
                continue
            ids = (span.trace_id, span.span_id)
            known = self.live if is_live(span) else self.finished
            ended_here = any(not is_live(other) and not why and other.span_id == span.span_id for other, why in request)
            if ids in known or (is_live(span) and ended_here):
                key.expected["duplicate"] += 1
                continue
            known[ids] = span, key
            key.expected.update({"stored": 1, "kept": 1, "live": int(is_live(span))})
            end_ns = span.start_time_unix_nano if is_live(span) else span.end_time_unix_nano
            key.expected["late"] += end_ns < time.time_ns() - LATE_AFTER_S * SECOND_NS

    def replace_live(self) -> None:
        """Live spans whose finished one is there go."""
        for ids in self.live.keys() & self.finished.keys():
            key = self.live.pop(ids)[1]
            key.expected.update({"replaced": 1, "kept": -1})

    def drop_traces_without_agents(self) -> None:
        """All spans of those go."""
        spans = [*self.live.values(), *self.finished.values()]
        agents = {span.trace_id for span, _ in spans if any(a.key == "gen_ai.agent.name" for a in span.attributes)}
        for known in (self.live, self.finished):
            for ids in [ids for ids in known if ids[0] not in agents]:
                known.pop(ids)[1].expected.update({"dropped:no_agent_activity": 1, "kept": -1})

    def count_orphans(self) -> None:
        """Each span once, by the key of its finished report."""
        for span, key in {**self.live, **self.finished}.values():
            parent = (span.trace_id, span.parent_span_id)
            key.expected["orphaned"] += bool(span.parent_span_id) and parent not in {**self.live, **self.finished}


def is_live(span: Span) -> bool:
    return any(attribute.key == "stepwell.span.state" for attribute in span.attributes)


def in_requests(chance: Random, spans: list[tuple[Span, str]]) -> Iterator[list[tuple[Span, str]]]:
    """All spans in random order and random requests, a third of them twice."""
    sent = [*spans, *chance.sample(spans, len(spans) // 3)]
    chance.shuffle(sent)
    while sent:
        size = chance.randrange(1, 15)
        yield sent[:size]
        del sent[:size]


def send(client: Client, chance: Random, request: Sequence[tuple[Span, str]], key: Key) -> None:
    body = trace_request(*[span for span, _ in request])
    if chance.random() < 0.5:
        client.export(body, metadata=[("x-stepwell-key", key.secret)])
    else:
        assert client.post(body, x_stepwell_key=key.secret).status_code == 200


@pytest.mark.parametrize("seed", range(6))
async def test_sums_by_key_are_what_was_sent_in_any_mix(
    seed: int, settings: Settings, connection: Connection, tenant: Tenant, guarded: Client
) -> None:
    chance, model = Random(seed), Model()
    for request in in_requests(chance, some_spans(chance)):
        key = chance.choice(tenant.keys)
        send(guarded, chance, request, key)
        model.take(request, key)
        if chance.random() < 0.3:
            await fold_all(connection)
    await fold_all(connection)
    if chance.random() < 0.5:
        await facts.delete_superseded_live_steps(connection)
        model.replace_live()
    if chance.random() < 0.5:
        await idle.drop(connection, timedelta(seconds=-1))
        model.drop_traces_without_agents()
    model.count_orphans()

    async with client_of(replace(settings, auth=True)) as api:
        answer = await read(api, key=tenant.keys[0].secret)
    told = {counts["key_id"]: nonzero(counts) for counts in answer["by_key"]}
    assert told == {key.key_id: +key.expected for key in tenant.keys if +key.expected}
    rows = await connection.execute(
        "SELECT key_id, count(*) FROM (SELECT key_id FROM analytics.step_facts"
        " UNION ALL SELECT key_id FROM analytics.live_steps) s GROUP BY key_id"
    )
    assert dict(await rows.fetchall()) == {key_id: counts["kept"] for key_id, counts in told.items() if counts["kept"]}


async def test_logs_and_metrics_have_rows_of_their_own(settings: Settings, tenant: Tenant, guarded: Client) -> None:
    red, blue, _ = tenant.keys
    records = logs_request(3)
    records.resource_logs[0].scope_logs[0].log_records[0].trace_id = b""
    for _ in range(2):
        assert guarded.post(records, path="/v1/logs", x_stepwell_key=red.secret).status_code == 200
    guarded.export(metrics_request(), method=METRICS_EXPORT, metadata=[("x-stepwell-key", blue.secret)])
    guarded.export(logs_request(1), method=LOGS_EXPORT, metadata=[("x-stepwell-key", blue.secret)])

    async with client_of(replace(settings, auth=True)) as api:
        answers = {name: await read(api, name, red.secret) for name in ("traces", "logs", "metrics")}
    told = {name: {c["key_id"]: dict(nonzero(c)) for c in answer["by_key"]} for name, answer in answers.items()}
    refused = {"rejected:no_span_context": 2}
    assert told == {
        "traces": {},
        "logs": {
            red.key_id: {"received": 6, "stored": 2, "duplicate": 2, "kept": 2, **refused},
            blue.key_id: {"received": 1, "stored": 1, "kept": 1},
        },
        "metrics": {blue.key_id: {"received": 3, "rejected:not_stored": 3}},
    }
    prefixes = {counts["key_id"]: counts["key_prefix"] for counts in answers["logs"]["by_key"]}
    assert prefixes == {key.key_id: key.secret[:10] for key in (red, blue)}
