"""The whole product as its user runs it: spans in over OTLP, executions out of the API, exact whatever dies between."""

import gzip
import random
import threading
import urllib.request
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from tests.captures import Capture, Run, captures, wrong_answers
from tests.lifecycle.process_table import until
from tests.load import Load, load, send

from stepwell_receiver.protobuf import decode_traces

FROM = "2020-01-01T00:00:00Z"
FOLD_TIMEOUT_S = 60.0


def ask(api: str, path: str, parameters: list[tuple[str, str]]) -> Any:
    response = httpx.get(f"{api}/api/v1{path}?{urlencode(parameters)}", timeout=30)
    response.raise_for_status()
    return response.json()


def post(otlp_http: str, signal_name: str, body: bytes) -> None:
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
    request = urllib.request.Request(f"{otlp_http}/v1/{signal_name}", gzip.compress(body), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.status == 200


def runs_of(api: str, capture: Capture) -> list[Run]:
    trace_ids = {
        span.trace_id.hex() for body in capture.bodies() for group in decode_traces(body).groups for span in group.spans
    }
    asked = [("from", FROM), ("limit", "1000"), *(("trace_id", trace_id) for trace_id in sorted(trace_ids))]
    return [_run_of(api, row) for row in ask(api, "/executions", asked)["items"]]


def _run_of(api: str, row: dict[str, Any]) -> Run:
    steps = ask(api, f"/executions/{quote(row['execution_id'], safe='')}/steps", [("limit", "1000")])["items"]
    return Run(
        agent_id=row["agent_id"],
        status=row["status"],
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        session_id=row["session_id"],
        calls=tuple((step["operation"], step["step_name"], step["status"]) for step in steps),
    )


def test_captures_sent_in_random_order_and_partly_twice_tell_what_was_scripted(stepwell: dict[str, str]) -> None:
    posts = [(name, body) for c in captures() for name in ("traces", "logs", "metrics") for body in c.bodies(name)]
    chance = random.Random(7)
    chance.shuffle(posts)
    for name, body in [*posts, *chance.sample(posts, len(posts) // 4)]:
        post(stepwell["otlp_http"], name, body)

    for capture in captures():
        truth = capture.truth()
        until(lambda c=capture, t=truth: not wrong_answers(t, runs_of(stepwell["api"], c)), capture.name)  # type: ignore[misc]


def test_counts_are_exact_after_a_load_sent_twice_by_two_senders_at_once(stepwell: dict[str, str]) -> None:
    sent = load(runs=200, spans_per_run=20, spans_per_body=100, seed=2)
    before = ask(stepwell["api"], "/ingest", [])["totals"]
    senders = [
        threading.Thread(target=send, args=(bodies, stepwell["otlp_http"]))
        for bodies in (sent.bodies, list(reversed(sent.bodies)))
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    _assert_exact(stepwell["api"], sent)
    after = ask(stepwell["api"], "/ingest", [])["totals"]
    told = {name: after[name] - before[name] for name in ("received", "stored", "duplicate", "rejected")}
    assert told == {"received": 2 * sent.spans, "stored": sent.spans, "duplicate": sent.spans, "rejected": 0}


def _assert_exact(api: str, sent: Load) -> None:
    wanted = {
        "total_executions": sent.runs,
        "successful": sent.runs - sent.failed,
        "failed": sent.failed,
        "running": 0,
        "prompt_tokens": sent.prompt_tokens,
        "completion_tokens": sent.completion_tokens,
    }

    def told() -> dict[str, Any]:
        try:
            statistics = ask(api, "/agents/load_agent/analytics", [])["statistics"]
        except httpx.HTTPError:
            return {}
        return {name: statistics[name] for name in wanted}

    until(lambda: told() == wanted, f"{wanted}, not {told()}", FOLD_TIMEOUT_S)
    rows = ask(api, "/executions", [("limit", "1000"), ("agent_id", "load_agent")])["items"]
    assert sum(row["steps_total"] for row in rows) == sent.spans
