"""Every Prometheus metric of Stepwell, in one table; ``docs/metrics.md`` lists them and a test compares the two.

Receiver, storage, worker and API import the metric they count with. Under ``stepwell up`` the environment variable
``PROMETHEUS_MULTIPROC_DIR`` is set before the children start, so that `exposition` shows all processes together;
alone, a process shows its own.
"""

import os
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

EXPOSITION_CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BYTES = (1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864)
_COUNT = (1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536)

# Receiver: what came in, and what became of it. received = rejected + unavailable + (stored + duplicate).
SPANS_RECEIVED = Counter("stepwell_spans_received_total", "Spans in requests that could be decoded.")
SPANS_STORED = Counter("stepwell_spans_stored_total", "Spans committed to the database, live ones included.")
SPANS_DUPLICATE = Counter("stepwell_spans_duplicate_total", "Spans that were stored already and changed nothing.")
SPANS_REJECTED = Counter("stepwell_spans_rejected_total", "Spans refused one by one, by reason.", ["reason"])
SPANS_UNAVAILABLE = Counter(
    "stepwell_spans_unavailable_total", "Spans answered with a retryable error; the sender still has them."
)
SPANS_LATE = Counter("stepwell_spans_late_total", "Spans stored long after they had ended.")
REQUESTS_REFUSED = Counter(
    "stepwell_requests_refused_total", "Requests refused as a whole, by reason.", ["signal", "reason"]
)
RECORDS_UNSTORED = Counter(
    "stepwell_records_unstored_total", "Log records and metrics that were not stored; the sender is told.", ["signal"]
)
VALUES_REDACTED = Counter(
    "stepwell_values_redacted_total", "Values that were masked on arrival, by what gave them away.", ["by"]
)
LOG_RECORDS = Counter("stepwell_log_records_total", "Log records of spans, by what became of them.", ["outcome"])
MEMORY_SAMPLES = Counter(
    "stepwell_memory_samples_total", "Samples of processes' memory, by what became of them.", ["outcome"]
)
REQUESTS = Counter(
    "stepwell_otlp_requests_total", "OTLP requests by signal, transport and gRPC code.", ["signal", "transport", "code"]
)
REQUEST_BYTES = Histogram(
    "stepwell_otlp_request_bytes", "Size of OTLP requests after decompression.", ["signal"], buckets=_BYTES
)
REQUEST_SECONDS = Histogram(
    "stepwell_otlp_request_seconds",
    "Time from the request's head to its answer, the commit included.",
    ["signal", "transport"],
    buckets=_SECONDS,
)

# Commit: the way from decoded spans to durable rows.
QUEUED_BYTES = Gauge(
    "stepwell_queued_bytes", "Decoded requests that wait for their commit.", multiprocess_mode="livesum"
)
QUEUED_SPANS = Gauge(
    "stepwell_queued_spans", "Spans, log records and samples that wait for their commit.", multiprocess_mode="livesum"
)
COMMIT_SECONDS = Histogram("stepwell_commit_seconds", "Duration of one group commit.", buckets=_SECONDS)
COMMIT_SPANS = Histogram("stepwell_commit_spans", "Spans and log records in one group commit.", buckets=_COUNT)
COMMIT_FAILURES = Counter(
    "stepwell_commit_failures_total", "Group commits that failed, retried ones included.", ["error_type"]
)

# Worker: folding steps into executions.
FOLD_LAG_SECONDS = Gauge(
    "stepwell_fold_lag_seconds", "Age of the oldest trace that waits for its fold.", multiprocess_mode="livemax"
)
FOLD_SECONDS = Histogram(
    "stepwell_fold_seconds", "Duration of one round of folds, its commit included.", buckets=_SECONDS
)
FOLDED_TRACES = Counter("stepwell_folded_traces_total", "Traces folded, repeated folds included.")
FOLDED_EXECUTIONS = Counter("stepwell_folded_executions_total", "Executions written by folds.")
FOLD_FAILURES = Counter(
    "stepwell_fold_failures_total", "Rounds of folds that failed and are tried again.", ["error_type"]
)
SPANS_DROPPED = Counter("stepwell_spans_dropped_total", "Stored spans that were deleted again, by reason.", ["reason"])
SPANS_ORPHANED = Counter("stepwell_spans_orphaned_total", "Stored spans that a fold found without their parent.")
SPANS_REUNITED = Counter(
    "stepwell_spans_reunited_total", "Orphaned spans whose parent came, or that were dropped with their trace."
)
TOKENS_EXCLUDED = Counter(
    "stepwell_tokens_excluded_total", "Tokens that no execution counts, since another span reports them too.", ["kind"]
)
STALE_EXECUTIONS = Counter("stepwell_stale_executions_total", "Runs without a sign of life that became a timeout.")
RETENTION_ROWS = Counter(
    "stepwell_retention_rows_total", "Rows that were deleted or emptied since their time was over.", ["relation"]
)
RETENTION_SECONDS = Histogram(
    "stepwell_retention_seconds",
    "Duration of one pass over all whose time is over.",
    buckets=(0.1, 1.0, 10.0, 60.0, 600.0, 3600.0),
)

# Worker: what goes out.
WEBHOOK_ATTEMPTS = Counter("stepwell_webhook_attempts_total", "Calls of webhooks, by what became of them.", ["outcome"])
WEBHOOK_SECONDS = Histogram("stepwell_webhook_seconds", "Duration of one call of a webhook.", buckets=_SECONDS)
ALERT_CHECKS = Counter("stepwell_alert_checks_total", "Checks of alert rules, by what became of them.", ["outcome"])
ALERT_CHECK_SECONDS = Histogram("stepwell_alert_check_seconds", "Duration of one rule's check.", buckets=_SECONDS)
ALERTS = Counter("stepwell_alerts_total", "Alerts that fired or were resolved.", ["event"])

# API.
API_REQUESTS = Counter("stepwell_api_requests_total", "API requests by route and HTTP status.", ["route", "code"])
API_REQUEST_SECONDS = Histogram(
    "stepwell_api_request_seconds", "Duration of API requests.", ["route"], buckets=_SECONDS
)


def exposition() -> bytes:
    """All metrics in Prometheus' text format, of all processes where they share a folder."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
